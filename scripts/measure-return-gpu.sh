#!/usr/bin/env bash
# What a warm return gains on a GPU, with a KV cache of f16 and of q8_0: the size of the snapshot, saving and restoring
# it, and the time to the first token of the next answer when it was restored, when the conversation is evaluated again,
# and from llama-server alone with the same file. Prints one table; exits with 1 if a warm return takes more than 1.30
# times what llama-server alone takes. Linux.
#
#   measure-return-gpu.sh MODEL.gguf OTHER.gguf [--tokens N] [--cache-types TYPE,TYPE…] [--gpu-layers N] [--rounds N]
#
#   MODEL.gguf      trained for the conversation and some 2,000 tokens more, or llama-server makes the context smaller
#   OTHER.gguf      a second one to switch to, the smaller the faster
#   --tokens        length of the conversation, 12000 if not given
#   --cache-types   f16,q8_0 if not given
#   --gpu-layers    999 if not given: all; 0 is a rehearsal on the CPU
#   --rounds        2 if not given; each is one cold return, three warm ones and three of llama-server alone
#
# Needs dist/hotmodel (or HOTMODEL_EXECUTABLE) and a llama-server with a GPU backend on PATH (or HOTMODEL_LLAMA_SERVER);
# no .NET, no curl. Beside it must lie lib.sh and returning.sh. For each cache type a round takes some eight loads of
# the model and an evaluation of the conversation; another load and evaluation come before the first.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source "$(dirname "$0")/returning.sh"

files=() length=12000 types=f16,q8_0 layers=999 rounds=2
while (($# > 0)); do
  case $1 in
    --tokens) length=${2:?--tokens N}; shift ;;
    --cache-types) types=${2:?--cache-types TYPE,TYPE}; shift ;;
    --gpu-layers) layers=${2:?--gpu-layers N}; shift ;;
    --rounds) rounds=${2:?--rounds N}; shift ;;
    -*) fail "unknown option $1: see the head of this script" ;;
    *) files+=("$1") ;;
  esac
  shift
done
((${#files[@]} == 2)) || fail "usage: measure-return-gpu.sh MODEL.gguf OTHER.gguf [OPTION…]"
hotmodel=${HOTMODEL_EXECUTABLE:-$root/dist/hotmodel}
[[ -x $hotmodel ]] || fail "$hotmodel is no executable"
server=$(find_llama_server)
folder='' served='' alone='' measured=''
finish() {
  local status=$?
  returning_stop
  [[ -n $measured || $status = 0 || -z $folder ]] || tail -n 5 "$folder"/*/log 2>/dev/null >&2 || true
  rm -rf "$folder"
}
trap finish EXIT

missed=0 rows=()
for type in ${types//,/ }; do
  started=$SECONDS
  returning_setup "${files[0]}" "${files[1]}" "$length" "$type" "$layers"
  returning_fill
  returning_rounds "$rounds" 3
  ratio=$(awk -v c="$(median cold 1)" -v w="$(median warm 1)" 'BEGIN { printf "%.0f", c / w }')
  overhead=$(awk -v w="$(median warm 3)" -v b="$(median bare 3)" 'BEGIN { printf "%.2f", w / b }')
  awk -v o="$overhead" 'BEGIN { exit !(o <= 1.30) }' || missed=1
  row="| $type | $filled | $((snapshot_bytes / 1000000)) | $(median save 1) | $(median warm 2) | $(median warm 1)"
  row+=" | $(median cold 1) | $ratio | $(median warm 3) | $(median bare 3) | $overhead | $(median warm 4) | $(median cold 4) |"
  rows+=("$row")
  echo "$type took $((SECONDS - started)) s: $row" >&2
  rm -rf "$folder"
done
measured=yes

echo "$(basename "${files[0]}"), $(($(stat -Lc %s "${files[0]}") / 1000000)) MB, gpu_layers $layers; medians of $((rounds * 3)), cold of $rounds;" \
  "with the switch: from asking for it, the load included."
echo
echo "| KV cache | tokens | snapshot MB | save s | restore s | first token warm s | cold s | cold / warm | restore + first token, warm s | llama-server alone s | warm / alone | with the switch, warm s | cold s |"
echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
printf '%s\n' "${rows[@]}"
echo
echo "Warm / alone: at most 1.30: $([[ $missed = 0 ]] && echo yes || echo NO)"
exit "$missed"
