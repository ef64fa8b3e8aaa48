#!/usr/bin/env bash
# What a warm return gains: coming back to a model on the CPU, with a conversation of some thousand tokens, the time to
# the first token of the next answer. With its snapshot restored, evaluated again, evaluated ahead, and by llama-server
# alone; in turns in one run. Prints tables and exits with 1 if a goal is missed. Linux; takes up to 8 minutes. Run it on
# a machine that does nothing else.
#
#   measure-return.sh [--quick] [--tokens N] [--json FILE]
#
#   --quick     under 90 seconds (without the builds): a short conversation, one round; the figures say little, so a missed
#               goal is no failure
#   --tokens    length of the conversation, 6000 if not given
#   --json      the figures of every turn, to this file
#
# HOTMODEL_EXECUTABLE: this one instead of building. On a GPU: measure-return-gpu.sh.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/returning.sh"
caller=$PWD
cd "$root"

length=6000 rounds=2 times=3 quick='' json=''
while (($# > 0)); do
  case $1 in
    --quick) quick=yes length=1000 rounds=1 ;;
    --tokens) length=${2:?--tokens N}; shift ;;
    --json)
      # Relative to where the caller stands.
      json=${2:?--json FILE}; shift
      [[ $json = /* ]] || json=$caller/$json
      ;;
    *) fail "unknown option $1: see the head of this script" ;;
  esac
  shift
done
((length >= 1000)) || fail "--tokens is at least 1000: shorter conversations are hardly worth a snapshot"

need_dotnet
hotmodel=$(find_hotmodel)
server=$(find_llama_server)
dotnet build tests/TinyGguf -c Release --nologo -v quiet >&2
models=$(mktemp -d)
finish() {
  local status=$?
  returning_stop
  [[ -n $measured || $status = 0 ]] || tail -n 5 "$folder"/*/log 2>/dev/null >&2 || true
  rm -rf "$models" "$folder"
}
folder=$models served='' alone='' measured=''
trap finish EXIT

tiny() { dotnet tests/TinyGguf/bin/Release/net10.0/TinyGguf.dll "$@" >&2; }
# 154 M parameters. One vocabulary for both, and room for any conversation.
tiny "$models/measured.gguf" --layers 10 --embd 1024 --ff 4096 --heads 16 --kv-heads 4 --type q8_0 --ctx 131072 --name measured
tiny "$models/other.gguf" --ctx 131072 --name other

# q8_0 is what hotmodel has if nothing is configured.
returning_setup "$models/measured.gguf" "$models/other.gguf" "$length" q8_0 0
returning_fill
returning_rounds "$rounds" "$times" prefill

# row SIDE TEXT BACK: BACK is the time from asking for the switch back.
row() {
  echo "| $2 | $(median "$1" 1) | $(from_to "$1" 1) | $(count "$1") | $3 | $(median "$1" 5 0) |"
}
measured=yes
echo "A conversation of $filled tokens, a model of $(($(stat -c %s "$model") / 1000000)) MB on the CPU, KV cache q8_0."
echo
echo "| coming back, then the next question | first token s, median | from, to | of | with the switch s | tokens evaluated |"
echo "|---|---|---|---|---|---|"
row warm "warm: the snapshot was restored by the switch" "$(median warm 4)"
row cold "cold: snapshots are off" "$(median cold 4)"
row prefill "no snapshot yet, evaluated ahead before the question" ""
row bare "llama-server alone, its slot restored" ""
echo
echo "| the snapshot | |"
echo "|---|---|"
echo "| size | $((snapshot_bytes / 1000000)) MB |"
echo "| saved by the switch away, median of $(count save) | $(median save 1) s |"
echo "| restored by the switch back, median of $(count warm) | $(median warm 2) s |"
echo "| restored by llama-server alone, median of $(count bare) | $(median bare 2) s |"
echo
echo "Evaluating ahead took $(median ahead 1) s, median of $(count ahead). First token of another conversation's short"
echo "question: $(median middle 1) s in the middle of it, $(median quiet 1) s without, medians of $(count middle)."
echo

ratio=$(awk -v c="$(median cold 1)" -v w="$(median warm 1)" 'BEGIN { printf "%.1f", c / w }')
overhead=$(awk -v w="$(median warm 3)" -v b="$(median bare 3)" 'BEGIN { printf "%.2f", w / b }')
delay=$(awk -v m="$(median middle 1)" -v q="$(median quiet 1)" 'BEGIN { printf "%.3f", m - q }')
# By the speed of the cold side; 2048 tokens are llama-server's batch.
batch=$(awk -v s="$(median cold 1)" -v t="$(median cold 5)" 'BEGIN { printf "%.3f", s / t * 2048 }')
missed=0
goals=()
# goal NAME TEXT VALUE WORD LIMIT: WORD is "least" or "most".
goal() {
  local met=yes
  awk -v v="$3" -v l="$5" -v w="$4" 'BEGIN { exit !(w == "least" ? v >= l : v <= l) }' || met=NO
  [[ $met = yes ]] || missed=1
  echo "| $2 | $3 | at $4 $5 | $met |"
  goals+=("{\"name\":\"$1\",\"value\":$3,\"limit\":$5,\"met\":$([[ $met = yes ]] && echo true || echo false)}")
}
echo "| goal | value | limit | met |"
echo "|---|---|---|---|"
if ((filled >= 5000)); then
  goal cold_to_warm "first token: cold / warm" "$ratio" least 100
else
  echo "| first token: cold / warm | $ratio | at least 100, from 5,000 tokens on | |"
fi
goal warm_to_bare "restore + first token: warm / llama-server alone" "$overhead" most 1.30
goal delay "a question in the middle of evaluating ahead waits longer, s (one batch of 2048 tokens)" "$delay" most "$batch"

# json_side SIDE: back_seconds of prefill has the wait for it in it.
json_side() {
  awk '{ for (i = 1; i <= 6; i++) v[i] = v[i] (NR > 1 ? "," : "") $i }
    END {
      split("first_token_seconds restore_seconds first_token_with_restore_seconds back_seconds evaluated_tokens cached_tokens", n, " ")
      for (i = 1; i <= 6; i++) printf "%s\"%s\":[%s]", (i > 1 ? "," : ""), n[i], v[i]
    }' "$folder/results/$1"
}
if [[ -n $json ]]; then
  {
    echo -n "{\"tokens\":$filled,\"snapshot_bytes\":$snapshot_bytes,\"save_seconds\":[$(paste -sd, "$folder/results/save")]"
    for side in warm cold bare prefill middle quiet; do
      echo -n ",\"$side\":{$(json_side "$side")}"
    done
    echo -n ",\"ahead_seconds\":[$(paste -sd, "$folder/results/ahead")]"
    (IFS=,; echo ",\"goals\":[${goals[*]}]}")
  } >"$json"
fi
[[ -n $quick ]] || exit "$missed"
