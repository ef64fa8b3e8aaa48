#!/usr/bin/env bash
# What hotmodel costs: the time of a switch above the router's own unload + load, the start, idle memory, size. Prints a
# table and exits with 1 if a figure is above its limit. Run it on a machine that does nothing else.
#
#   measure-switch.sh [SWITCHES]
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

scripts/build.sh >&2
server=$(find_llama_server)
dotnet build loadtests/MeasureSwitch -c Release --nologo -v quiet >&2
exec dotnet loadtests/MeasureSwitch/bin/Release/net10.0/MeasureSwitch.dll "$root/dist/hotmodel" "$server" "$@"
