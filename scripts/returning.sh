# What measure-return.sh and measure-return-gpu.sh have in common; source it after lib.sh, do not run it. Bash only: it
# must work where there is neither .NET nor curl. Linux.
#
# One conversation is filled through hotmodel and goes on four ways (the sides), each from the same state:
#   warm      its snapshot is restored by the switch back
#   cold      snapshots are off: it is evaluated again
#   prefill   there is no snapshot yet; hotmodel evaluates it ahead, and the question comes when it has. Beside it
#             another conversation's question, in the middle of that (middle) and without it (quiet)
#   bare      llama-server alone, with the command line that hotmodel gave it: its slot is restored, then asked
#
# warm and bare are compared closely, so they take turns one by one; the model is unloaded by hotmodel while llama-server
# has it alone. cold and prefill are started anew for each of theirs.

# shellcheck shell=bash
# Bytes, not characters, are what Content-Length counts, and numbers have points.
export LC_ALL=C

readonly conversation=measured
readonly question=moli
# An answer that is longer than a token adds nothing to the time of its first one.
readonly how='"stream":true,"max_tokens":1'

# returning_setup MODEL OTHER TOKENS CACHE_TYPE GPU_LAYERS: also sets folder, which is the caller's to delete.
returning_setup() {
  [[ -e /proc/self/cmdline ]] || fail "this needs Linux: /proc"
  ((BASH_VERSINFO[0] >= 5)) || fail "this needs bash 5, which knows microseconds"
  model=$(realpath "$1") other=$(realpath "$2") tokens=$3 cache_type=$4 gpu_layers=$5
  # Room for the turns that are added, for the template's own tokens, and for what the estimate is wrong by.
  context=$(((tokens + tokens / 10 + 1024 + 255) / 256 * 256))
  folder=$(mktemp -d)
  mkdir "$folder/results" "$folder/bare"
  served='' alone=''
  write_config "$folder/check.toml" 10001 10002 true 0
  "$hotmodel" check --config "$folder/check.toml" >/dev/null || fail "$hotmodel does not take the configuration"
}

returning_stop() {
  [[ -z $alone ]] || stop_process "$alone" 20
  # It may be saving gigabytes.
  [[ -z $served ]] || stop_process "$served" 120
  served='' alone=''
}

# write_config FILE PORT ROUTER_PORT SNAPSHOTS PREFILL_SECONDS
write_config() {
  cat >"$1" <<TOML
[server]
port = $2
active_model = "other"
state_path = "state/state.json"
$( ((gpu_layers == 0)) || echo 'gpu_settle_timeout_seconds = 20')
[snapshots]
enabled = $4
max_bytes = 34359738368
prefill_ahead_seconds = $5
[llama]
binary = "$server"
[router]
port = $3
ctx_size = $context
parallel = 1
cache_type_k = "$cache_type"
cache_type_v = "$cache_type"
[models.measured]
path = "$model"
gpu_layers = $gpu_layers
[models.other]
path = "$other"
gpu_layers = $gpu_layers
TOML
}

# serve SIDE SNAPSHOTS PREFILL_SECONDS: a hotmodel in the folder of the side. Sets served and port.
serve() {
  local place=$folder/$1 router_port
  mkdir -p "$place"
  { read -r port; read -r router_port; } < <(free_ports 2)
  write_config "$place/hotmodel.toml" "$port" "$router_port" "$2" "$3"
  "$hotmodel" serve --config "$place/hotmodel.toml" 2>"$place/log" &
  served=$!
  until_true 120 is_ready || fail "hotmodel did not start: $(tail -5 "$place/log")"
}

is_ready() {
  http GET "$port" /health 2>/dev/null && [[ $reply = *'"phase":"ready"'* ]]
}

stop_serving() {
  stop_process "$served" 120
  served=
}

# until_true SECONDS COMMAND…
until_true() {
  local tries=$(($1 * 20))
  shift
  until "$@"; do
    ((tries-- > 0)) || return 1
    sleep 0.05
  done
}

microseconds() { now=${EPOCHREALTIME/./}; }

# seconds MICROSECONDS
seconds() { printf '%d.%06d' $(($1 / 1000000)) $(($1 % 1000000)); }

# number NAME JSON: the first number of that name, or nothing.
number() { [[ $2 =~ \"$1\":(-?[0-9][0-9.eE+-]*) ]] && echo "${BASH_REMATCH[1]}" || true; }

# object NAME JSON: what is between the braces of the first flat object of that name, or nothing.
object() { [[ $2 =~ \"$1\":\{([^\}]*)\} ]] && echo "${BASH_REMATCH[1]}" || true; }

# http METHOD PORT PATH [BODY]: the answer's body in reply; false for an error. HTTP/1.0, because its bodies have no frames.
http() {
  local body=${4:-} head line socket
  exec {socket}<>"/dev/tcp/127.0.0.1/$2" || return 1
  printf '%s %s HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
    "$1" "$3" ${#body} "$body" >&"$socket"
  reply='' head=
  IFS= read -r head <&"$socket" || true
  while IFS= read -r line <&"$socket" && [[ $line != $'\r' ]]; do :; done
  IFS= read -r -d '' reply <&"$socket" || true
  exec {socket}<&-
  [[ $head = HTTP/1.?' 200'* ]]
}

# ask PORT BODY: a streamed chat, read to its end. Sets first_us, from the sending to the first token, and of the prompt
# the tokens evaluated and cached.
ask() {
  local socket line start last='' told
  microseconds
  start=$now first_us=
  exec {socket}<>"/dev/tcp/127.0.0.1/$1"
  printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n%s: %d\r\n%s\r\n\r\n%s' \
    Content-Length ${#2} 'Connection: close' "$2" >&"$socket"
  while IFS= read -r line <&"$socket" || [[ -n $line ]]; do
    # The first event holds the role only. A token without a text of its own shows by the end, at the latest.
    if [[ -z $first_us && ($line = *'content":"'[^\"]* || $line = *'"finish_reason":"'*) ]]; then
      microseconds
      first_us=$((now - start))
    fi
    [[ $line != *'"timings":{'* ]] || told=$line
    last=${line:-$last}
  done
  exec {socket}<&-
  [[ -n $first_us && -n ${told:-} ]] || fail "a chat was not answered: ${last:0:300}"
  evaluated=$(number prompt_n "$told") cached=$(number cache_n "$told")
}

# ask_on PORT: the conversation goes on, by hotmodel.
ask_on() {
  ask "$1" "{\"session_id\":\"$conversation\",$how,\"messages\":[$(message "$question")]}"
}

message() { echo "{\"role\":\"user\",\"content\":\"$1\"}"; }

# switch_to NAME: the report in report.
switch_to() {
  http POST "$port" /admin/switch "{\"model\":\"$1\"}" || fail "the switch to $1 failed: $reply"
  report=$reply
}

# words COUNT: the same ones each time, of syllables, so that they cost a few tokens each with any vocabulary.
words() {
  awk -v n="$1" 'BEGIN {
    c = "bdfglmnprstvkz"; v = "aeiou"; seed = 7
    for (i = 0; i < n; i++) {
      w = ""
      for (s = 0; s < 2; s++) {
        seed = (seed * 1103 + 12345) % 65521
        w = w substr(c, seed % 14 + 1, 1) substr(v, int(seed / 14) % 5 + 1, 1)
      }
      printf "%s%s", i ? " " : "", w
    }
  }'
}

# Fills the conversation by a chat and leaves the state of just after the switch away, from which all sides begin.
returning_fill() {
  local text count sample=500
  serve template true 0
  switch_to measured
  http POST "$port" /tokenize "{\"content\":\"$(words $sample)\"}" || fail "/tokenize: $reply"
  count=${reply//[^,]/}
  text=$(words $((tokens * sample / (${#count} + 1))))
  ask "$port" "{\"session_id\":\"$conversation\",$how,\"messages\":[$(message "$text")]}"
  filled=$((evaluated + cached))
  echo "filled: $filled tokens in $(seconds "$first_us") s" >&2
  find_command_line
  http GET "$port" "/admin/sessions/$conversation/export?format=jsonl" || fail "the export: $reply"
  history=$(sed -n 's/^[^{]*{[^{]*"message":\(.*\)}$/\1/p' <<<"$reply" | paste -sd, -)
  go_away
  snapshot_bytes=$(number bytes "$(object saved "$report")")
  [[ -n $snapshot_bytes ]] || fail "nothing was saved: $report"
  stop_serving
  local files=("$folder"/template/state/snapshots/*.slot)
  for file in "${files[@]}"; do
    # The other model may have one too.
    [[ $(stat -c %s "$file") != "$snapshot_bytes" ]] || cp "$file" "$folder/bare/slot.bin"
  done
  [[ -s $folder/bare/slot.bin ]] || fail "there is no snapshot of $snapshot_bytes bytes"
}

# The command line of the model's own process, so that llama-server alone loads it in the same way.
find_command_line() {
  local file words
  command_line=()
  for file in /proc/[0-9]*/cmdline; do
    mapfile -d '' -t words 2>/dev/null <"$file" || continue
    if [[ " ${words[*]} " = *" --model $model "* && " ${words[*]} " = *" --slot-save-path $folder/"* ]]; then
      command_line=("${words[@]}")
    fi
  done
  ((${#command_line[@]} > 0)) || fail "the model's process was not found"
}

# copy_state SIDE [snapshots]: the state after the fill.
copy_state() {
  rm -rf "${folder:?}/$1"
  mkdir -p "$folder/$1"
  cp -a "$folder/template/state" "$folder/$1/state"
  [[ -n ${2:-} ]] || rm -f "$folder/$1"/state/snapshots/*
}

go_away() {
  switch_to other
  number seconds "$(object saved "$report")" >>"$folder/results/save"
}

# come_back SIDE [COMMAND]: away and back, then the question; adds a line to the results of the side. The command comes
# between the switch back and the question.
come_back() {
  local side=$1 asked back restored
  go_away
  microseconds
  asked=$now
  switch_to measured
  restored=$(number seconds "$(object restored "$report")")
  [[ -z ${2:-} ]] || "$2"
  microseconds
  back=$((now - asked))
  ask_on "$port"
  record "$side" "${restored:-0}" "$((back + first_us))"
}

# record SIDE RESTORE_SECONDS BACK_MICROSECONDS: first token, restore, both, from asking for the switch back, tokens
# evaluated and not.
record() {
  local first
  first=$(seconds "$first_us")
  awk -v f="$first" -v r="$2" -v b="$3" -v e="$evaluated" -v c="$cached" \
    'BEGIN { printf "%.6f %.6f %.6f %.6f %d %d\n", f, r, f + r, b / 1e6, e, c }' >>"$folder/results/$1"
  echo "$1: first token $first s, restored in $2 s, $evaluated tokens evaluated, $cached not" >&2
}

# is_warm, is_cold SIDE: what was measured is what it is called.
is_warm() { ((cached > filled * 9 / 10)) || fail "$1: only $cached of $filled tokens were there"; }
is_cold() { ((evaluated > filled * 9 / 10)) || fail "$1: $cached of $filled tokens were there already"; }

# measure_close TIMES: warm and bare.
measure_close() {
  local i
  [[ -d $folder/warm ]] || copy_state warm snapshots
  serve warm true 0
  for ((i = 0; i < $1; i++)); do
    ((i % 2 == 0)) || measure_bare
    come_back warm
    is_warm warm
    go_away
    ((i % 2 == 1)) || measure_bare
  done
  stop_serving
}

measure_cold() {
  copy_state cold
  serve cold false 0
  come_back cold
  is_cold cold
  stop_serving
}

measure_prefill() {
  copy_state prefill
  serve prefill true 600
  come_back prefill await_prefill
  is_warm prefill
  stop_serving
  measure_middle
}

# A short question of another conversation while hotmodel evaluates ahead, and one where it does not.
measure_middle() {
  copy_state prefill
  serve prefill true 600
  switch_to measured
  until_true 60 prefill_is_in_the_middle || fail "prefill ahead does not begin"
  ask_anew middle
  prefill_state
  [[ $reply_state != done ]] || fail "prefill ahead was over before the question came"
  stop_serving
  copy_state prefill
  serve prefill true 0
  switch_to measured
  ask_anew quiet
  stop_serving
}

prefill_is_in_the_middle() {
  prefill_state
  (($(number evaluated_tokens "$(object prefill_ahead "$reply")") > filled / 4))
}

# ask_anew SIDE: a conversation of its own.
ask_anew() {
  ask "$port" "{\"session_id\":\"$1\",$how,\"messages\":[$(message "$1 $question")]}"
  record "$1" 0 "$first_us"
}

# prefill_state: its word for how far it is, in reply_state.
prefill_state() {
  http GET "$port" /admin/state || fail "/admin/state: $reply"
  [[ $reply =~ \"prefill_ahead\":\{[^\}]*\"state\":\"([a-z_]+)\" ]] || fail "/admin/state tells nothing of prefill_ahead"
  reply_state=${BASH_REMATCH[1]}
}

prefill_has_begun() { prefill_state && [[ $reply_state != idle ]]; }
prefill_is_over() { prefill_state && [[ $reply_state != running ]]; }

await_prefill() {
  until_true 10 prefill_has_begun || fail "prefill ahead finds nothing to do"
  until_true 600 prefill_is_over || fail "prefill ahead has not ended in 600 s"
  [[ $reply_state = done ]] || fail "prefill ahead: $reply_state"
  number seconds "$(object prefill_ahead "$reply")" >>"$folder/results/ahead"
}

# With a server of its own each time, as hotmodel's has just been loaded too.
measure_bare() {
  local body arguments bare_port start restored a
  body="{$how,\"messages\":[$history,$(message "$question")]}"
  read -r bare_port < <(free_ports 1)
  arguments=("${command_line[@]:1}")
  for ((a = 0; a + 1 < ${#arguments[@]}; a++)); do
    case ${arguments[a]} in
      --port) arguments[a + 1]=$bare_port ;;
      --slot-save-path) arguments[a + 1]=$folder/bare ;;
    esac
  done
  "$server" "${arguments[@]}" >"$folder/bare/log" 2>&1 &
  alone=$!
  until_true 120 http GET "$bare_port" /health 2>/dev/null || fail "llama-server alone did not start"
  microseconds
  start=$now
  http POST "$bare_port" '/slots/0?action=restore' '{"filename":"slot.bin"}' || fail "restore: $reply"
  microseconds
  restored=$((now - start))
  ask "$bare_port" "$body"
  record bare "$(seconds $restored)" $((restored + first_us))
  is_warm bare
  stop_process "$alone" 20
  alone=
}

# returning_rounds ROUNDS TIMES [prefill]: TIMES of what takes moments, once the rest; in each round another one first.
returning_rounds() {
  local round turn sides=(close cold ${3:+prefill})
  for ((round = 0; round < $1; round++)); do
    for ((turn = round; turn < round + ${#sides[@]}; turn++)); do
      case ${sides[turn % ${#sides[@]}]} in
        close) measure_close "$2" ;;
        cold) measure_cold ;;
        prefill) measure_prefill ;;
      esac
    done
  done
}

# values SIDE COLUMN: sorted.
values() { cut -d' ' -f"$2" "$folder/results/$1" | sort -g; }

# median SIDE COLUMN [DIGITS]
median() {
  values "$1" "$2" | awk -v d="${3:-3}" '{ v[NR] = $1 }
    END { printf "%.*f", d, (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# from_to SIDE COLUMN
from_to() { values "$1" "$2" | awk 'NR == 1 { a = $1 } { b = $1 } END { printf "%.3f to %.3f", a, b }'; }

# count SIDE
count() { awk 'END { print NR }' "$folder/results/$1"; }
