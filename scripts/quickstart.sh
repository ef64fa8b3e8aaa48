#!/usr/bin/env bash
# A conversation that goes on under another model, from nothing but the .NET SDK on Debian or Ubuntu.
#
#   quickstart.sh [--models DIR]
#
# Everything is put under .quickstart, .tools and dist in this folder and can be deleted. With --models the first two
# .gguf files of DIR are used instead of two small models with random weights.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

models_dir=
while (($# > 0)); do
  case $1 in
    --models) models_dir=$(realpath "${2:?--models needs a folder}") && shift 2 ;;
    *) fail "unknown option $1; usage: quickstart.sh [--models DIR]" ;;
  esac
done

work=.quickstart
session=quickstart
hotmodel=dist/hotmodel
serve_pid=
stream_pid=

cleanup() {
  local status=$?
  [[ -z $stream_pid ]] || kill "$stream_pid" 2>/dev/null || true
  [[ -z $serve_pid ]] || stop_process "$serve_pid" 20
  if ((status != 0)) && [[ -s $work/serve.log ]]; then
    echo
    echo "It failed. The end of $work/serve.log:"
    tail -n 20 "$work/serve.log"
  fi
}
trap cleanup EXIT

bold='' dim='' normal=''
if [[ -t 1 ]]; then
  bold=$'\e[1m' dim=$'\e[2m' normal=$'\e[0m'
fi

step=0
# say TEXT: what comes now and why.
say() {
  step=$((step + 1))
  printf '\n%s%d. %s%s\n' "$bold" "$step" "$1" "$normal"
}

# print_command WORD…: as a person would type it.
print_command() {
  local word line=
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@+-]+$ ]]; then line+=" $word"; else line+=" '$word'"; fi
  done
  printf '%s$%s%s\n' "$dim" "$line" "$normal"
}

# run COMMAND…: prints it, runs it, indents what it says.
run() {
  print_command "$@"
  "$@" 2>&1 | sed 's/^/    /'
}

shortened() { cut -c1-"${1:-160}"; }

# text_of_stream: what an answer of server-sent events says.
text_of_stream() { sed -nE 's/^data: .*"delta":\{"content":"(([^"\\]|\\.)*)".*/\1/p' "$1" | tr -d '\n'; }

chat_body() {
  printf '{"model": "active", "stream": %s, "max_tokens": %d, "messages": [{"role": "user", "content": "%s"}]}' "$@"
}

prepare_models() {
  local files=() file
  if [[ -n $models_dir ]]; then
    while IFS= read -r file; do files+=("$file"); done < <(find -L "$models_dir" -maxdepth 1 -name '*.gguf' | sort | head -n 2)
    ((${#files[@]} == 2)) || fail "$models_dir holds fewer than two .gguf files"
  else
    mkdir -p "$work/models"
    files=("$root/$work/models/alder.gguf" "$root/$work/models/birch.gguf")
    local generator=tests/TinyGguf/bin/Release/net10.0/TinyGguf.dll seed=0
    for file in "${files[@]}"; do
      seed=$((seed + 1))
      [[ ! -e $file ]] || continue
      [[ -e $generator ]] || dotnet build tests/TinyGguf -c Release --nologo -v quiet >/dev/null
      run dotnet "$generator" "$file" --seed "$seed" --layers 8 --embd 512 --ff 1536 --heads 8 --name "$(basename "$file" .gguf)"
    done
  fi
  first_path=${files[0]} second_path=${files[1]}
  first=$(basename "$first_path" .gguf) second=$(basename "$second_path" .gguf)
}

write_config() {
  local ports
  mapfile -t ports < <(free_ports 2)
  url=http://127.0.0.1:${ports[0]}
  cat >"$work/hotmodel.toml" <<TOML
[server]
port = ${ports[0]}
active_model = "$first"            # loaded at the start

[preset]
system_prompt = "You are a helpful assistant."

[llama]
binary = "$llama_server"

[snapshots]
min_tokens = 64                     # 512 if not given: the conversation here is a short one

[router]                            # hotmodel starts llama-server as a router of its own
port = ${ports[1]}

[models."$first"]
path = "$first_path"
ctx_size = 4096

[models."$second"]
path = "$second_path"
ctx_size = 4096
TOML
}

wait_until_ready() {
  local tenths=$((${1} * 10))
  until curl -fsS "$url/health" 2>/dev/null | grep -q '"phase":"ready"'; do
    kill -0 "$serve_pid" 2>/dev/null || fail "hotmodel ended"
    ((tenths-- > 0)) || fail "no model after $1 s"
    sleep 0.1
  done
}

# begin_stream QUESTION TOKENS FILE: in the background.
begin_stream() {
  local body
  body=$(chat_body true "$2" "$1")
  print_command curl -N "$url/v1/chat/completions" -H "X-HotModel-Session: $session" -d "$body"
  curl -fsSN "$url/v1/chat/completions" -H 'Content-Type: application/json' -H "X-HotModel-Session: $session" \
    -D "$3.headers" -d "$body" >"$3" &
  stream_pid=$!
}

end_stream() {
  wait "$stream_pid" || fail "the stream broke"
  stream_pid=
  grep -q '^data: \[DONE\]' "$1" || fail "the stream has no end"
}

show_stream() {
  local model
  model=$(sed -nE 's/^X-HotModel-Model: *([^\r]*).*/\1/ip' "$1.headers")
  echo "    $model: $(text_of_stream "$1" | shortened 100)…"
  echo "    $(grep -c '"delta":{"content":"' "$1") pieces of text, ended with [DONE]"
}

need_dotnet
need_command curl
mkdir -p "$work"
rm -rf "$work/.hotmodel" "$work"/*.sse*

say "Build the one executable"
run scripts/build.sh

say "Find llama-server, which does the inference"
llama_server=$(find_llama_server)
echo "    $llama_server"

say "Two models"
prepare_models
write_config
run ls -l "$first_path" "$second_path"
run cat "$work/hotmodel.toml"

say "Start hotmodel: it starts llama-server and loads $first"
print_command "$hotmodel" serve --config "$work/hotmodel.toml"
"$hotmodel" serve --config "$work/hotmodel.toml" >"$work/serve.log" 2>&1 &
serve_pid=$!
wait_until_ready 300
run curl -sS "$url/health"
echo

say "Talk to $first, as any OpenAI client does; the header names the conversation"
body=$(chat_body false 16 'Good morning')
print_command curl "$url/v1/chat/completions" -H "X-HotModel-Session: $session" -d "$body"
curl -fsS "$url/v1/chat/completions" -H 'Content-Type: application/json' -H "X-HotModel-Session: $session" -d "$body" \
  | shortened 400 | sed 's/^/    /'

say "Ask for a long answer, and switch to $second in the middle of it"
begin_stream 'Tell me a long story' 400 "$work/story.sse"
tenths=600
until grep -qs '"delta":{"content":"' "$work/story.sse"; do
  kill -0 "$stream_pid" 2>/dev/null && ((tenths-- > 0)) || fail "no answer begins"
  sleep 0.1
done
echo "    … it begins, and meanwhile:"
pieces=$(grep -c '"delta":{"content":"' "$work/story.sse")
run "$hotmodel" switch "$second" --config "$work/hotmodel.toml"
end_stream "$work/story.sse"
echo "    The answer went on to its end before $first was unloaded ($pieces pieces had come when the switch was asked for):"
show_stream "$work/story.sse"

say "The same conversation goes on under $second: history and system prompt are there"
begin_stream 'And then?' 40 "$work/more.sse"
end_stream "$work/more.sse"
show_stream "$work/more.sse"
run "$hotmodel" sessions show "$session" --config "$work/hotmodel.toml" | shortened

say "Back to $first; the report as JSON"
run "$hotmodel" switch "$first" --json --config "$work/hotmodel.toml" | fold -w 116

say "Stop (SIGTERM): hotmodel ends, and llama-server with it"
print_command kill "$serve_pid"
kill -TERM "$serve_pid"
status=0
wait "$serve_pid" || status=$?
serve_pid=
echo "    exit status $status"
((status == 0)) || fail "hotmodel did not stop well"
printf '\nDone. Your own models: put them into a file like %s, then %s serve --config FILE\n' "$work/hotmodel.toml" "$hotmodel"
