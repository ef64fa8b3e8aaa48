#!/usr/bin/env bash
# Switches between two models with switch_policy = "make_before_break" while 8 clients stream without a pause: whether any
# request was refused or waited, how long the slowest took to its first event against the median, and the most device memory
# in use against the plan, which is the sum of both models. Prints one table. Linux with an NVIDIA GPU.
#
#   measure-no-gap-gpu.sh [--switches N] [--clients N] [--gpu-layers N] [--layers N] [--context N]
#
#   --switches     4 if not given
#   --clients      8 if not given
#   --gpu-layers   999 if not given: all; 0 is a rehearsal on the CPU, which says nothing of memory
#   --layers       of the smaller model; the other one has twice as many. 12 if not given, 2 suit a rehearsal
#   --context      8192 if not given
#
# Needs dist/hotmodel (or HOTMODEL_EXECUTABLE), a llama-server with a GPU backend on PATH (or HOTMODEL_LLAMA_SERVER) and
# python3; no .NET. Beside it must lie lib.sh, no_gap_gpu.py, fit_gpu.py and fit_shapes.py. The models are holes in files of
# TMPDIR. Exit status 0 when no request was refused or waited, and no peak was above the plan by more than 2 % or 300 MiB.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need_command python3
hotmodel=${HOTMODEL_EXECUTABLE:-$root/dist/hotmodel}
[[ -x $hotmodel ]] || fail "$hotmodel is no executable"
server=$(find_llama_server)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 "$(dirname "$0")/no_gap_gpu.py" "$hotmodel" "$server" "$folder" "$@"
