#!/usr/bin/env bash
# Looks for input that breaks what reads input (tests/HotModel.Fuzz): AFL++ makes it, guided by which ways the code takes,
# which SharpFuzz has it report. Begins with tests/HotModel.Fuzz/Corpus, ends by itself, and prints a table and what it
# found; the files lie in .fuzz/. Installs afl++ where it is missing.
#
#   fuzz.sh [MINUTES] [TARGET...]     for each target; 10, and all. As many at a time as there are cores
#   fuzz.sh --keep [TARGET...]        adds to the corpus what the last run found new ways with, as few and small files as do
set -euo pipefail
source "$(dirname "$0")/lib.sh"
cd "$root"

readonly project=tests/HotModel.Fuzz
readonly built=$project/bin/Release/net10.0
readonly work=$root/.fuzz
# What a slow and busy machine may take for one input, a collection of garbage included.
readonly limit_ms=5000
readonly input_bytes_max=16384

export AFL_NO_UI=1 AFL_SKIP_BIN_CHECK=1 AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_QUIET=1
# Core files that go to a program only make a crash look like a hang; here a crash is an exception.
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_CRASHING_SEEDS_AS_NEW_CRASH=1
export AFL_FORKSRV_INIT_TMOUT=120000 AFL_MAP_SIZE=65536

build() {
  need_dotnet
  need_command afl-fuzz afl++
  dotnet build "$project" -c Release --nologo -v quiet
  rm -rf "$work/bin"
  mkdir -p "$work"
  cp -r "$built" "$work/bin"
  # Another copy of it, because the changed one runs under afl-fuzz only.
  dotnet "$built/HotModel.Fuzz.dll" --instrument "$work/bin/hotmodel.dll" "$work/bin/Tomlyn.dll"
}

fuzz() {
  local target=$1 seconds=$2
  rm -rf "${work:?}/$target"
  afl-fuzz -V "$seconds" -t "$limit_ms" -m none -G "$input_bytes_max" \
    -i "$project/Corpus/$target" -o "$work/$target" -x "$project/Dictionaries/$target.dict" \
    -- dotnet "$work/bin/HotModel.Fuzz.dll" "$target" >"$work/$target.log" 2>&1 \
    || echo "$target: afl-fuzz ended early: $work/$target.log"
}

# said TARGET NAME: of what afl-fuzz says of its run.
said() {
  sed -n "s/^$2 *: *//p" "$work/$1/default/fuzzer_stats" 2>/dev/null || echo "-"
}

# edges TARGET: of the code, from one place in it to the next, that the corpus takes.
edges() {
  afl-showmap -q -C -m none -t "$limit_ms" -i "$project/Corpus/$1" -o "$work/$1.edges" \
    -- dotnet "$work/bin/HotModel.Fuzz.dll" "$1" >"$work/$1.log" 2>&1
  wc -l <"$work/$1.edges"
}

print_table() {
  local target
  echo
  echo "| target | executions | per second | inputs | edges | crashes | hangs |"
  echo "|---|---:|---:|---:|---:|---:|---:|"
  for target; do
    echo "| $target | $(said "$target" execs_done) | $(said "$target" execs_per_sec)" \
      "| $(find "$project/Corpus/$target" -type f | wc -l) → $(said "$target" corpus_count)" \
      "| $(edges "$target") → $(said "$target" edges_found)" \
      "| $(said "$target" saved_crashes) | $(said "$target" saved_hangs) |"
  done
}

# Runs what was found once more, to show what is wrong; false where there is any, or a target did not run.
print_findings() {
  local target files none=true
  for target; do
    [[ -e $work/$target/default/fuzzer_stats ]] || none=false
    mapfile -t files < <(find "$work/$target" -path '*/crashes/id:*' -o -path '*/hangs/id:*' | sort)
    ((${#files[@]} > 0)) || continue
    echo
    echo "== $target"
    printf '%s\n' "${files[@]}"
    # A machine that is busy with something else makes an input look as if it hung.
    if timeout $((limit_ms / 1000 * ${#files[@]} + 10)) dotnet "$built/HotModel.Fuzz.dll" "$target" "${files[@]}"; then
      echo "All of it passes when it is run again."
    else
      none=false
    fi
  done
  $none
}

# keep TARGET: small files that are needed for an edge which the files with names of their own do not reach.
keep() {
  local target=$1 all=$work/$1.all least=$work/$1.least file
  rm -rf "$all" "$least"
  mkdir -p "$all"
  cp "$project/Corpus/$target"/* "$all"
  for file in "$work/$target/default/queue"/id:*; do
    cp "$file" "$all/found-$(sha256sum "$file" | cut -c1-12)"
  done
  afl-cmin -e -m none -t "$limit_ms" -i "$all" -o "$least" -- dotnet "$work/bin/HotModel.Fuzz.dll" "$target" \
    >"$work/$target.log" 2>&1
  rm -f "$project/Corpus/$target"/found-*
  cp "$least"/found-* "$project/Corpus/$target"
  echo "$target: $(find "$project/Corpus/$target" -type f | wc -l) files"
}

keeps=false
minutes=10
if [[ ${1:-} == --keep ]]; then
  keeps=true
  shift
elif [[ ${1:-} =~ ^[0-9]+$ ]]; then
  minutes=$1
  shift
fi
build
mapfile -t known < <(dotnet "$built/HotModel.Fuzz.dll")
targets=("$@")
((${#targets[@]} > 0)) || targets=("${known[@]}")
for target in "${targets[@]}"; do
  [[ " ${known[*]} " == *" $target "* ]] || fail "there is no target $target; there are ${known[*]}"
done
if $keeps; then
  for target in "${targets[@]}"; do keep "$target"; done
  exit
fi

echo "$minutes minutes for each of ${targets[*]}"
running=0
for target in "${targets[@]}"; do
  if ((running == $(nproc))); then
    wait -n
    running=$((running - 1))
  fi
  fuzz "$target" $((minutes * 60)) &
  running=$((running + 1))
done
wait
print_table "${targets[@]}"
print_findings "${targets[@]}" || fail "something was found, or did not run"
echo "Nothing was found."
