#!/usr/bin/env bash
# The estimate of what a model takes on a GPU against the truth, for four shapes (dense with and without grouped heads,
# mixture of experts, sliding window): before the first load, with and without another model having been loaded on that
# device; and what the ledger says against the second load. Then the time in which a switch to a model with a context that
# does not fit is refused. Prints one table. Linux with an NVIDIA GPU.
#
#   measure-fit-gpu.sh [--context N] [--gpu-layers N] [--layers N]
#
#   --context      32768 if not given
#   --gpu-layers   999 if not given: all; 0 is a rehearsal on the CPU, which measures refusals only
#   --layers       of each model, so that a rehearsal fits; else some gigabytes' worth
#
# Needs dist/hotmodel (or HOTMODEL_EXECUTABLE), a llama-server with a GPU backend on PATH (or HOTMODEL_LLAMA_SERVER) and
# python3; no .NET. Beside it must lie lib.sh, fit_gpu.py and fit_shapes.py. The models are holes in files of TMPDIR: they
# take no disk, but the memory of what reads them. Exit status 0 when an estimate was within 10 % or 300 MiB, the ledger
# within 2 %, and refusals took less than 50 ms.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need_command python3
hotmodel=${HOTMODEL_EXECUTABLE:-$root/dist/hotmodel}
[[ -x $hotmodel ]] || fail "$hotmodel is no executable"
server=$(find_llama_server)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 "$(dirname "$0")/fit_gpu.py" "$hotmodel" "$server" "$folder" "$@"
