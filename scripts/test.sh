#!/usr/bin/env bash
# All tests: the build without warnings, the executable's size and libraries, the format, unit tests, and functional
# tests of the native executable against the real llama-server, also by way of the SDKs for .NET and JavaScript. The last
# line is "N passed, N failed"; each gate above counts as one test.
#
#   test.sh [--unit]     --unit: only what needs neither the native executable nor llama-server
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

readonly size_limit_bytes=16000000
# What Debian and Ubuntu call glibc: everything else must be inside the executable.
readonly allowed_libraries='^(linux-vdso|ld-linux[a-z0-9-]*|libc|libm|libdl|libpthread|librt)\.so'

passed=0
failed=0
skipped=0

finish() {
  local status=$?
  ((status == 0)) || failed=$((failed > 0 ? failed : 1))
  ((skipped == 0)) || echo "$skipped skipped"
  echo "$passed passed, $failed failed"
  ((failed == 0)) || exit 1
}
trap finish EXIT

# gate NAME COMMAND…: runs it and counts it as one test.
gate() {
  local name=$1 started=$SECONDS
  shift
  echo "== $name"
  if "$@"; then
    passed=$((passed + 1))
    echo "== $name: passed ($((SECONDS - started)) s)"
  else
    failed=$((failed + 1))
    echo "== $name: FAILED ($((SECONDS - started)) s)"
    return 1
  fi
}

is_small_enough() {
  local bytes
  bytes=$(wc -c <dist/hotmodel)
  echo "$((bytes)) bytes of at most $size_limit_bytes"
  ((bytes <= size_limit_bytes))
}

needs_only_libc() {
  local other
  ldd dist/hotmodel
  other=$(ldd dist/hotmodel | awk '{print $1}' | sed 's#.*/##' | grep -vE "$allowed_libraries" || true)
  [[ -z $other ]] || { echo "not of libc: $other"; return 1; }
}

# The analyzers and the style rules run in the build; this is for what they do not see.
is_formatted() {
  dotnet format whitespace HotModel.sln --no-restore --verify-no-changes --verbosity minimal
}

# The load tests as NBomber repeats them, without its package: only the workflow's job "load" has that.
load_tests_fit_nbomber() {
  local folder status=0
  folder=$(mktemp -d)
  dotnet build loadtests/HotModel.LoadTests --nologo -v quiet -p:LoadEngine=NBomberStandIn --artifacts-path "$folder" || status=$?
  rm -rf "$folder"
  return "$status"
}

# The libraries that tests/sdk-js checks, as its lock file has them; npm leaves the date of the last time in node_modules.
has_javascript_sdks() {
  local folder=tests/sdk-js major
  need_command node nodejs
  major=$(node -p 'process.versions.node.split(".")[0]')
  ((major >= 20)) || { echo "Node.js is version $major; the SDKs need 20 or newer"; return 1; }
  [[ $folder/package-lock.json -nt $folder/node_modules/.package-lock.json ]] || return 0
  need_command npm
  npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error
}

# run_tests PROJECT LIMIT_SECONDS [OPTION…]: adds up what its summary says.
run_tests() {
  local project=$1 limit=$2 options=("${@:3}") log status=0 count_passed count_failed count_skipped started=$SECONDS
  log=$(mktemp)
  echo "== $project"
  timeout --kill-after=10 "$limit" \
    dotnet test --project "tests/$project" --no-build --no-ansi --no-progress "${options[@]}" 2>&1 | tee "$log" || status=$?
  count_passed=$(awk '/^  succeeded: / {print $2}' "$log")
  count_failed=$(awk '/^  failed: / {print $2}' "$log")
  count_skipped=$(awk '/^  skipped: / {print $2}' "$log")
  rm -f "$log"
  passed=$((passed + ${count_passed:-0}))
  failed=$((failed + ${count_failed:-0}))
  skipped=$((skipped + ${count_skipped:-0}))
  # A runner that broke, ran too long or found nothing has no failed test to show for it.
  if ((status != 0 && ${count_failed:-0} == 0)) || [[ -z $count_passed ]]; then
    echo "$project ended with status $status"
    failed=$((failed + 1))
  fi
  echo "== $project took $((SECONDS - started)) s"
}

need_dotnet
if [[ ${1:-} != --unit ]]; then
  gate "build of dist/hotmodel without a warning" scripts/build.sh || exit 1
  gate "size of the executable" is_small_enough || true
  [[ $(uname -s) != Linux ]] || gate "libraries of the executable" needs_only_libc || true
fi
gate "build of the solution without a warning" dotnet build HotModel.sln --nologo -v quiet || exit 1
gate "format" is_formatted || true
gate "load tests with NBomber's engine" load_tests_fit_nbomber || true
if [[ ${1:-} = --unit ]]; then
  run_tests HotModel.Tests 300 --filter-not-trait needs=llama-server
  exit
fi
gate "SDKs for JavaScript" has_javascript_sdks || true
HOTMODEL_EXECUTABLE=$root/dist/hotmodel
HOTMODEL_LLAMA_SERVER=$(find_llama_server)
export HOTMODEL_EXECUTABLE HOTMODEL_LLAMA_SERVER
echo "llama-server: $HOTMODEL_LLAMA_SERVER"
run_tests HotModel.Tests 300
run_tests HotModel.FunctionalTests 1800
