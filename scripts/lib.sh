# Shared by the scripts beside it; source it, do not run it.

# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# install_packages PACKAGE...: from the distribution, where they are missing.
install_packages() {
  if ! command -v apt-get >/dev/null; then
    fail "missing: $*. Install the like of it (this is no Debian or Ubuntu: no apt-get) and run this again."
  fi
  local sudo=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || fail "missing: $*. Run as root: apt-get install $*"
    sudo=(sudo)
  fi
  echo "Installing $*"
  # The lists may be absent (a fresh container) or too old to name files that still exist.
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1 && return
  "${sudo[@]}" apt-get update -q >/dev/null || fail "apt-get update failed; needed: $*"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null \
    || fail "could not install $*"
}

# need_command COMMAND [PACKAGE]
need_command() {
  command -v "$1" >/dev/null || install_packages "${2:-$1}"
}

need_dotnet() {
  command -v dotnet >/dev/null || fail "the .NET SDK 10 is needed: https://dotnet.microsoft.com/download"
}

# The path of the hotmodel to use on stdout: HOTMODEL_EXECUTABLE, else dist/hotmodel, built if it is not newer than its sources.
find_hotmodel() {
  if [[ -n ${HOTMODEL_EXECUTABLE:-} ]]; then
    [[ -x $HOTMODEL_EXECUTABLE ]] || fail "HOTMODEL_EXECUTABLE=$HOTMODEL_EXECUTABLE is no executable"
    echo "$HOTMODEL_EXECUTABLE"
  else
    "$root/scripts/build.sh" >&2
    echo "$root/dist/hotmodel"
  fi
}

# The path of the llama-server to use on stdout; what happens on stderr. Order: HOTMODEL_LLAMA_SERVER, PATH, .tools/llama
# (fetched into it where the first three fail).
find_llama_server() {
  if [[ -n ${HOTMODEL_LLAMA_SERVER:-} ]]; then
    [[ -x $HOTMODEL_LLAMA_SERVER ]] || fail "HOTMODEL_LLAMA_SERVER=$HOTMODEL_LLAMA_SERVER is no executable"
    echo "$HOTMODEL_LLAMA_SERVER"
  elif command -v llama-server >/dev/null; then
    command -v llama-server
  else
    local own=$root/.tools/llama/bin/llama-server
    [[ -x $own ]] || "$root/scripts/fetch-llama-server.sh" >&2 || fail "no llama-server: set HOTMODEL_LLAMA_SERVER"
    echo "$own"
  fi
}

# free_ports COUNT: that many ports of 127.0.0.1, one a line, on which nothing listens now.
free_ports() {
  local port found=0
  while ((found < $1)); do
    # Below the range from which systems take ports for outgoing connections.
    port=$((10000 + RANDOM % 20000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      found=$((found + 1))
    fi
  done
}

# stop_process PID [SECONDS]: asks, waits, kills. Only for processes that the caller started.
stop_process() {
  local pid=$1 tenths=$((${2:-10} * 10))
  kill -TERM "$pid" 2>/dev/null || return 0
  while ((tenths-- > 0)) && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
}
