#!/usr/bin/env bash
# Packs dist/hotmodel with its documentation for this system, and writes a checksum beside it:
#
#   scripts/package.sh [VERSION]        VERSION must be that of the program, if given ("v" before it is allowed)
#
#   dist/hotmodel-VERSION-SYSTEM-CPU.tar.gz   and .sha256, as "sha256sum --check" reads it
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"
"$root/scripts/build.sh"

program=dist/hotmodel
[[ $(uname -s) != MINGW* ]] || program+=.exe
version=$("./$program" --version)
version=${version%%+*}
wanted=${1:-$version}
[[ ${wanted#v} = "$version" ]] || fail "$program is version $version, not ${wanted#v}"
case $(uname -s) in
  Linux) system=linux ;;
  Darwin) system=macos ;;
  *) system=windows ;;
esac
case $(uname -m) in
  x86_64 | amd64) cpu=x64 ;;
  *) cpu=arm64 ;;
esac

name=hotmodel-$version-$system-$cpu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/$name"
cp -R "$program" README.md configs docs "$folder/$name/"
tar -C "$folder" -czf "dist/$name.tar.gz" "$name"
cd dist
if command -v sha256sum >/dev/null; then
  sha256sum "$name.tar.gz" >"$name.tar.gz.sha256"
else
  shasum -a 256 "$name.tar.gz" >"$name.tar.gz.sha256"
fi
cat "$name.tar.gz.sha256"
