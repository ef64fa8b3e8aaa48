#!/usr/bin/env bash
# Builds dist/hotmodel (hotmodel.exe), one native executable. Does nothing if it is newer than its sources; --force builds
# anyway. On Debian and Ubuntu it installs what is missing: gcc, libc6-dev, libsqlite3-dev. On Windows it needs a bash, such
# as Git's, and Visual Studio's C++ build tools.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

executable=dist/hotmodel
[[ $(uname -s) != MINGW* ]] || executable+=.exe

is_current() {
  [[ -x $executable ]] || return 1
  local newer
  newer=$(find src/HotModel Directory.Build.props Directory.Packages.props global.json scripts/build.sh \
    \( -name bin -o -name obj \) -prune -o -newer "$executable" -print -quit)
  [[ -z $newer ]]
}

print_size() {
  local bytes
  bytes=$(wc -c <"$executable")
  echo "$executable: $((bytes / 1000000)).$(printf '%02d' $((bytes / 10000 % 100))) MB ($((bytes)) bytes)"
}

runtime_identifier() {
  local cpu
  case $(uname -m) in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) fail "no native build for $(uname -m)" ;;
  esac
  case $(uname -s) in
    Linux) echo "linux-$cpu" ;;
    Darwin) echo "osx-$cpu" ;;
    MINGW*) echo "win-$cpu" ;;
    *) fail "no native build for $(uname -s)" ;;
  esac
}

static_sqlite() {
  local path
  path=$(gcc -print-file-name=libsqlite3.a)
  # gcc answers with the bare name when it finds nothing.
  [[ $path = /* && -f $path ]] && realpath "$path"
}

install_missing() {
  local packages=()
  command -v gcc >/dev/null || packages+=(gcc)
  [[ -e /usr/include/stdio.h ]] || packages+=(libc6-dev)
  static_sqlite >/dev/null 2>&1 || packages+=(libsqlite3-dev)
  ((${#packages[@]} == 0)) || install_packages "${packages[@]}"
}

if [[ ${1:-} != --force ]] && is_current; then
  print_size
  exit
fi
need_dotnet
rid=$(runtime_identifier)
options=()
if [[ $rid = linux-* ]]; then
  install_missing
  sqlite=$(static_sqlite) || fail "libsqlite3.a is not where gcc looks for libraries"
  options+=("-p:SqliteStaticLibrary=$sqlite")
fi

out=src/HotModel/bin/publish
rm -rf "$out"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
started=$SECONDS
if ! dotnet publish src/HotModel/HotModel.csproj -c Release -r "$rid" -o "$out" --nologo "${options[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  fail "the build failed"
fi
# The linker's warnings are not covered by TreatWarningsAsErrors.
if grep -i 'warning' "$log" >&2; then
  fail "the build warns"
fi
mkdir -p dist
# A rename: one that runs now keeps its file.
mv -f "$out/${executable#dist/}" "$executable"
touch "$executable"
echo "Built in $((SECONDS - started)) s"
print_size
