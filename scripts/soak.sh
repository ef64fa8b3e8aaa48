#!/usr/bin/env bash
# Soaks hotmodel with the real llama-server: mixed traffic, switches and faults in rounds, and a quiet moment after each. Prints
# a closing table and exits with 1 if something leaked, was lost, was stored twice or did not come back.
#
#   soak.sh [MINUTES]      20 by default, at least 2; the table is of loadtests/Soak
#
# HOTMODEL_EXECUTABLE: this one instead of building.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

[[ $(uname -s) = Linux ]] || fail "this reads /proc: Linux only"
need_dotnet
hotmodel=$(find_hotmodel)
llama_server=$(find_llama_server)
dotnet build loadtests/Soak -c Release --nologo -v quiet >&2
exec dotnet loadtests/Soak/bin/Release/net10.0/Soak.dll "$hotmodel" "$llama_server" "${1:-20}"
