#!/usr/bin/env bash
# Everything at once against hotmodel with the real llama-server and two tiny models, with a switch every 5 seconds:
# chats, streams, sessions, slow readers, clients that leave, the other routes. Prints tables and exits with 1 if a
# request failed.
#
#   loadtest.sh [SECONDS] [OPTION…]     120 by default; options are those of loadtests/HotModel.LoadTests, such as
#                                       --json FILE or --scenarios stream=32,switch=1/2s
#
# LOAD_ENGINE=NBomber: repeated by NBomber instead of the engine here; NBomberStandIn: by the same code without NBomber's
# package. HOTMODEL_EXECUTABLE: this one instead of building.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
caller=$PWD
cd "$root"

seconds=120
if [[ ${1:-} =~ ^[0-9] ]]; then
  seconds=$1
  shift
fi
arguments=()
while (($# > 0)); do
  if [[ $1 = --json && $# -ge 2 && $2 != /* ]]; then
    # Relative to where the caller stands.
    arguments+=(--json "$caller/$2")
    shift 2
  else
    arguments+=("$1")
    shift
  fi
done

serve_pid=
folder=$(mktemp -d)
cleanup() {
  local status=$?
  [[ -z $serve_pid ]] || stop_process "$serve_pid" 20
  if ((status != 0)) && [[ -s $folder/log ]]; then
    echo "The end of hotmodel's log:" >&2
    tail -n 30 "$folder/log" >&2
  fi
  rm -rf "$folder"
}
trap cleanup EXIT

need_dotnet
hotmodel=$(find_hotmodel)
llama_server=$(find_llama_server)
dotnet build tests/TinyGguf -c Release --nologo -v quiet >&2
dotnet build loadtests/HotModel.LoadTests -c Release --nologo -v quiet -p:LoadEngine="${LOAD_ENGINE:-own}" >&2

# One vocabulary, or what one model says would be many more tokens for the other.
for layers in 2 3; do
  dotnet tests/TinyGguf/bin/Release/net10.0/TinyGguf.dll "$folder/layers-$layers.gguf" \
    --seed 1 --layers "$layers" --ctx 65536 --name "layers-$layers" >&2
done
mapfile -t ports < <(free_ports 2)
# queue_limit is the default, written down because all clients together must not be more: during a switch all wait.
# Models that give embeddings chat as well. More threads than one only wait for each other, with models this small.
cat >"$folder/hotmodel.toml" <<TOML
[server]
port = ${ports[0]}
active_model = "two"
queue_limit = 64
[preset]
system_prompt = "You are a helpful assistant."
[llama]
binary = "$llama_server"
[router]
port = ${ports[1]}
ctx_size = 65536
parallel = 16
extra_args = ["--embeddings", "--pooling", "mean"]
[models.two]
path = "$folder/layers-2.gguf"
threads = 1
[models.three]
path = "$folder/layers-3.gguf"
threads = 1
TOML
"$hotmodel" serve --config "$folder/hotmodel.toml" 2>"$folder/log" &
serve_pid=$!
dotnet loadtests/HotModel.LoadTests/bin/Release/net10.0/HotModel.LoadTests.dll \
  "http://127.0.0.1:${ports[0]}" --seconds "$seconds" "${arguments[@]}"
