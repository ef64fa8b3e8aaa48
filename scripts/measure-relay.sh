#!/usr/bin/env bash
# What hotmodel's relay costs beside nginx and haproxy, all in front of the same scripted upstream: CPU, added latency,
# memory, throughput. Prints tables and exits with 1 if a goal is missed. Linux; takes 9 minutes. Run it on a machine
# that does nothing else.
#
#   measure-relay.sh [--quick] [--json FILE] [--sides NAME,NAME…] [--only TEXT] [--rounds N]
#
#   --quick    under a minute; the figures say little
#   --sides    only these of: direct, nginx, haproxy, hotmodel, hotmodel-session
#   --only     only the scenarios with TEXT in their name: "in step"
#   --rounds   of each side, 3 if not given; 99th percentiles that are close to each other take more
set -euo pipefail
source "$(dirname "$0")/lib.sh"
caller=$PWD
cd "$root"

# program NAME PACKAGE: its path on stdout. A package that is installed here may start a service: that is stopped again.
program() {
  local name=$1 path
  # Where only administrators have /usr/sbin on their PATH.
  if ! path=$(PATH=$PATH:/usr/sbin:/usr/local/sbin command -v "$name"); then
    install_packages "$2" >&2
    if [[ -d /run/systemd/system ]]; then
      as_root systemctl disable --now "$name" >&2 || true
    fi
    path=$(PATH=$PATH:/usr/sbin command -v "$name") || fail "$2 has no $name"
  fi
  echo "$path"
}

as_root() {
  if [[ $(id -u) = 0 ]]; then "$@"; else sudo "$@"; fi
}

arguments=()
while (($# > 0)); do
  if [[ $1 = --json && $# -ge 2 ]]; then
    # Relative to where the caller stands.
    file=$2
    [[ $file = /* ]] || file=$caller/$file
    arguments+=(--json "$file")
    shift
  else
    arguments+=("$1")
  fi
  shift
done

[[ $(uname -s) = Linux ]] || fail "this needs Linux: /proc, epoll"
# Both ends of 1,000 streams, and some.
ulimit -n "$(ulimit -H -n)"
nginx=$(program nginx nginx-light)
haproxy=$(program haproxy haproxy)
need_dotnet
scripts/build.sh >&2
dotnet build loadtests/MeasureRelay -c Release --nologo -v quiet >&2
exec dotnet loadtests/MeasureRelay/bin/Release/net10.0/MeasureRelay.dll \
  "$root/dist/hotmodel" "$nginx" "$haproxy" "${arguments[@]}"
