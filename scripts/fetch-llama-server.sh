#!/usr/bin/env bash
# Puts the llama-server of Debian testing, with all libraries it needs, into a folder of its own, so that it runs on an
# older Debian or Ubuntu (x86-64 or arm64) without touching the system.
#
#   fetch-llama-server.sh [PREFIX] [--vulkan] [--force]
#
# PREFIX (default: .tools/llama in the repository) is where it will run from; it cannot be moved afterwards.
# On Ubuntu, whose apt knows no Debian mirror, HOTMODEL_DEBIAN_MIRROR has to name one (a URL that ends in /debian).
# --vulkan adds the Vulkan backend; the device's own driver must be on the system.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

prefix=$root/.tools/llama
packages=(llama.cpp-tools)
force=
for argument in "$@"; do
  case $argument in
    --vulkan) packages+=(libggml0-backend-vulkan) ;;
    --force) force=1 ;;
    -*) fail "unknown option $argument" ;;
    *) prefix=$(realpath -m "$argument") ;;
  esac
done

if [[ -z $force ]] && "$prefix/bin/llama-server" --version >/dev/null 2>&1 \
  && { ((${#packages[@]} == 1)) || [[ -e $prefix/bin/libggml-vulkan.so ]]; }; then
  echo "$prefix/bin/llama-server is there already"
  exit
fi

case $(uname -m) in
  x86_64) arch=amd64 triplet=x86_64-linux-gnu loader=ld-linux-x86-64.so.2 ;;
  aarch64) arch=arm64 triplet=aarch64-linux-gnu loader=ld-linux-aarch64.so.1 ;;
  *) fail "Debian builds llama-server for x86-64 and arm64, this is $(uname -m): install one and put it on PATH" ;;
esac
for command in curl xz dpkg patchelf; do
  case $command in
    xz) need_command xz xz-utils ;;
    *) need_command "$command" ;;
  esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# HOTMODEL_DEBIAN_MIRROR, then the Debian mirrors that this machine's apt uses, in both notations. Ubuntu's archives do not
# hold Debian's suites: their paths end in /ubuntu.
mirrors() {
  [[ -z ${HOTMODEL_DEBIAN_MIRROR:-} ]] || echo "$HOTMODEL_DEBIAN_MIRROR"
  local files=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources) file
  for file in "${files[@]}"; do
    [[ -r $file ]] || continue
    sed -nE 's/^deb +(\[[^]]*\] +)?(https?:[^ ]+).*/\2/p; s/^URIs: *//p' "$file" | tr ' ' '\n'
  done | grep -E '^https?:.*/debian/?$' || true
}

find_mirror() {
  local mirror
  while read -r mirror; do
    if curl -fsS --max-time 60 -o "$work/InRelease" "${mirror%/}/dists/testing/InRelease" 2>/dev/null; then
      echo "${mirror%/}"
      return
    fi
  done < <(mirrors)
  return 1
}

# The signature is proof only where Debian's keys are on the machine; on others the sums guard against broken files.
check_signature() {
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg status
  if [[ ! -e $keyring ]] || ! command -v gpgv >/dev/null; then
    echo "No Debian keyring here: the archive's signature is not checked"
    return
  fi
  status=$(gpgv --keyring "$keyring" --status-fd 1 --output "$work/Release" "$work/InRelease" 2>/dev/null || true)
  if grep -q '^\[GNUPG:\] BADSIG' <<<"$status"; then
    fail "the archive's signature is bad"
  elif grep -q '^\[GNUPG:\] VALIDSIG' <<<"$status"; then
    echo "The archive's signature is good"
  else
    echo "The machine's Debian keys are older than the archive's: its signature is not checked"
  fi
}

# fetch URL SHA256 FILE
fetch() {
  curl -fsS --retry 3 --max-time 300 -o "$3" "$1" || fail "cannot fetch $1"
  echo "$2  $3" | sha256sum --check --quiet || fail "$1 is damaged"
}

# "name file sha256" of the packages given and of every library that they need.
closure() {
  xz -dc "$work/Packages.xz" | awk -v roots="$*" '
    /^Package: /  { name = $2 }
    /^Filename: / { file[name] = $2 }
    /^SHA256: /   { sum[name] = $2 }
    /^(Pre-)?Depends: / { sub(/^[^:]*: /, ""); depends[name] = depends[name] ", " $0 }
    END {
      count = split(roots, queue, " ")
      for (i = 1; i <= count; i++) wanted[queue[i]] = 1
      for (i = 1; i <= count; i++) {
        name = queue[i]
        if (!(name in file)) { print "Debian testing has no package " name > "/dev/stderr"; exit 1 }
        print name, file[name], sum[name]
        parts = split(depends[name], part, /, */)
        for (j = 1; j <= parts; j++) {
          other = part[j]
          sub(/[ :(|].*/, "", other)
          # Only libraries: what configures or downloads has no work here.
          if (other ~ /^(lib|zlib)/ && !(other in wanted)) { wanted[other] = 1; queue[++count] = other }
        }
      }
    }'
}

mirror=$(find_mirror) || fail "no Debian mirror answers: set HOTMODEL_DEBIAN_MIRROR to one, or put llama-server on PATH"
echo "Fetching llama-server from $mirror (testing, $arch)"
check_signature
index=main/binary-$arch/Packages.xz
sum=$(awk -v index_file="$index" '/^SHA256:/ {on = 1; next} /^[^ ]/ {on = 0} on && $3 == index_file {print $1}' "$work/InRelease")
[[ -n $sum ]] || fail "the archive has no index for $arch"
fetch "$mirror/dists/testing/$index" "$sum" "$work/Packages.xz"
closure "${packages[@]}" >"$work/wanted" || fail "cannot tell what llama-server needs"
while read -r name file sum; do
  fetch "$mirror/$file" "$sum" "$work/package.deb"
  dpkg -x "$work/package.deb" "$work/root"
  echo "  $name"
done <"$work/wanted"

partial=$prefix.partial
rm -rf "$partial"
mkdir -p "$partial/bin" "$partial/lib"
cp -L "$work"/root/usr/bin/llama-{server,bench} "$partial/bin/"
find "$work/root/usr/lib/$triplet" -name '*.so*' \( -type f -o -type l \) \
  -not -path '*/gconv/*' -not -path '*/engines-3/*' -not -path '*/ossl-modules/*' \
  -exec cp -a {} "$partial/lib/" \;
[[ -e $partial/lib/$loader ]] || fail "no $loader among the files"
for program in "$partial"/bin/llama-*; do
  patchelf --set-interpreter "$prefix/lib/$loader" --force-rpath --set-rpath "$prefix/lib" "$program"
done
for library in "$partial"/lib/lib{llama,ggml,mtmd}*.so*; do
  [[ -L $library ]] || patchelf --force-rpath --set-rpath "$prefix/lib" "$library"
done
# Backends are looked for beside the executable.
for library in "$partial"/lib/libggml-{cpu,vulkan}*.so; do
  [[ ! -e $library ]] || ln -s "../lib/${library##*/}" "$partial/bin/"
done
rm -rf "$prefix"
mv "$partial" "$prefix"
version=$("$prefix/bin/llama-server" --version 2>&1 | grep -m1 version) || fail "$prefix/bin/llama-server does not start"
echo "$prefix/bin/llama-server: $version"
