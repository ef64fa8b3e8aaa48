#!/usr/bin/env bash
# What reading ahead saves: the load of a model of 1.1 GB at a switch that waits 5 s for a running answer. The model's file
# is out of the page cache, without and with read_ahead, or in it; in turns. Prints a table and exits with 1 if the load
# after reading ahead takes more than 1.10 times the load from a warm cache. Linux. Run it on a machine that does nothing
# else, and with 4 GB of memory free.
#
#   measure-readahead.sh [--file-only] [ROUNDS]
#
# Where it may (as root) it drops all caches of the system before each switch, else only the pages of the model's file;
# with --file-only those only, for a machine on which others work.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"
file_only=
if [[ ${1:-} = --file-only ]]; then
  file_only=yes
  shift
fi
rounds=${1:-9}
readonly drain_seconds=5

[[ $(uname -s) = Linux ]] || fail "this needs Linux: what it asks of the page cache is told there only"
need_dotnet
need_command curl
scripts/build.sh >&2
dotnet build tests/TinyGguf -c Release --nologo -v quiet >&2
server=$(find_llama_server)
folder=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do stop_process "$pid" 20; done
  rm -rf "$folder"
}
trap finish EXIT

tiny() { dotnet tests/TinyGguf/bin/Release/net10.0/TinyGguf.dll "$@" >&2; }
# Some hundreds of tokens a second: the answer outlasts the drain and fits into the context.
tiny "$folder/small.gguf" --layers 8 --embd 512 --ff 1536 --heads 8 --kv-heads 2 --name small
tiny "$folder/large.gguf" --layers 36 --embd 1024 --ff 4096 --heads 16 --kv-heads 4 --seed 3 --name large
sync "$folder"/*.gguf

# start NAME READ_AHEAD: a hotmodel of that name.
start() {
  local router_port
  { read -r "port_$1"; read -r router_port; } < <(free_ports 2)
  local port=port_$1
  mkdir "$folder/$1"
  cat >"$folder/$1/hotmodel.toml" <<TOML
[server]
port = ${!port}
active_model = "small"
read_ahead = $2
[llama]
binary = "$server"
[router]
port = $router_port
[models.small]
path = "$folder/small.gguf"
[models.large]
path = "$folder/large.gguf"
ctx_size = 512
TOML
  dist/hotmodel serve --config "$folder/$1/hotmodel.toml" 2>"$folder/$1/log" &
  pids+=($!)
  for ((i = 0; i < 200; i++)); do
    curl -s "http://127.0.0.1:${!port}/health" | grep -q '"phase":"ready"' && return
    sleep 0.1
  done
  fail "hotmodel did not start: $(tail -5 "$folder/$1/log")"
}

drops_all=
[[ -z $file_only && $(id -u) = 0 && -w /proc/sys/vm/drop_caches ]] && { echo 1 >/proc/sys/vm/drop_caches; } 2>/dev/null && drops_all=yes
empty_cache() {
  [[ -z $drops_all ]] || echo 1 >/proc/sys/vm/drop_caches
  dd if="$folder/large.gguf" iflag=nocache count=0 status=none
}

# measure KIND HOTMODEL: one switch to the large model during an answer; adds a line to the file of the kind.
measure() {
  local kind=$1 name=$2 port=port_$2 report answer=$folder/answer stream leaving
  empty_cache
  [[ $kind != warm ]] || cat "$folder/large.gguf" >/dev/null
  : >"$answer"
  curl -sN --max-time 60 -H 'Content-Type: application/json' -o "$answer" \
    -d '{"messages":[{"role":"user","content":"go on"}],"stream":true,"max_tokens":7000}' \
    "http://127.0.0.1:${!port}/v1/chat/completions" &
  stream=$!
  while [[ ! -s $answer ]]; do
    kill -0 "$stream" 2>/dev/null || fail "the answer did not begin"
    sleep 0.01
  done
  # The client leaves after that time, which ends the drain.
  { sleep "$drain_seconds"; kill "$stream"; } 2>/dev/null &
  leaving=$!
  report=$(dist/hotmodel switch large --json --config "$folder/$name/hotmodel.toml") || fail "$report"
  wait "$stream" "$leaving" || true
  local drained loaded read
  drained=$(seconds drain "$report")
  loaded=$(seconds load "$report")
  read=$(grep -oE '"read_ahead":(null|\{[^}]*\})' <<<"$report" | grep -oE '"mb":[0-9]+' | cut -d: -f2 || true)
  awk -v d="$drained" -v l="$drain_seconds" 'BEGIN { exit !(d > l - 0.5) }' || fail "the drain took only $drained s"
  echo "$loaded ${read:-0}" >>"$folder/$kind.results"
  echo "$kind: load $loaded s, read ahead ${read:-0} MiB" >&2
  dist/hotmodel switch small --json --config "$folder/$name/hotmodel.toml" >/dev/null
}

seconds() { grep -oE "\"name\":\"$1\",\"seconds\":[0-9.E-]+" <<<"$2" | sed 's/.*://'; }

# median KIND COLUMN
median() {
  cut -d' ' -f"$2" "$folder/$1.results" | sort -g \
    | awk '{ v[NR] = $1 } END { printf "%.3f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

start with true
start without false
for ((round = 0; round < rounds; round++)); do
  # Each comes first, second and last as often as the others.
  for ((turn = round; turn < round + 3; turn++)); do
    case $((turn % 3)) in
      0) measure cold without ;;
      1) measure ahead with ;;
      2) measure warm without ;;
    esac
  done
done

row() {
  echo "| $2 | $(median "$1" 1) | $(sort -g "$folder/$1.results" | cut -d' ' -f1 | sed -n '1p;$p' | paste -sd' ' | sed 's/ / to /') |" \
    "$(printf '%.0f' "$(median "$1" 2)") |"
}
if [[ -n $drops_all ]]; then
  echo "Before each switch all caches of the system were dropped (drop_caches)."
else
  [[ -n $file_only ]] || echo "drop_caches may not be written here."
  echo "Only the pages of the model's file were dropped before each switch${file_only:+ (--file-only)}."
fi
echo
echo "| the file is | load s, median of $rounds | from, to | MiB read ahead |"
echo "|---|---|---|---|"
row cold "not in memory, read_ahead off"
row ahead "not in memory, read_ahead on"
row warm "in memory"
echo
awk -v a="$(median ahead 1)" -v w="$(median warm 1)" -v c="$(median cold 1)" 'BEGIN {
  printf "With read_ahead / from memory: %.2f (at most 1.10: %s); without it %.2f\n", a / w, a / w <= 1.10 ? "yes" : "NO", c / w
  exit !(a / w <= 1.10)
}'
