#!/usr/bin/env bash
# Prints the path of the llama-server that tests and quickstart use: HOTMODEL_LLAMA_SERVER, else the one on PATH, else
# .tools/llama, fetched at first need.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
find_llama_server
