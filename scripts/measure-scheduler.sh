#!/usr/bin/env bash
# Clients that name different models: hotmodel's scheduler beside llama-server's own router, which loads what is asked for.
# Three models, six clients; waits, switches, answers, and who is starved, as tables. Exits with 1 if a goal is missed.
# Linux; four runs one after another. Run it on a machine that does nothing else.
#
#   measure-scheduler.sh [SECONDS]     of each run, 60 if not given
#
# HOTMODEL_EXECUTABLE: this one instead of building.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "not a number of seconds: $seconds"
need_dotnet
hotmodel=$(find_hotmodel)
server=$(find_llama_server)
dotnet build loadtests/MeasureScheduler -c Release --nologo -v quiet >&2
exec dotnet loadtests/MeasureScheduler/bin/Release/net10.0/MeasureScheduler.dll "$hotmodel" "$server" "$seconds"
