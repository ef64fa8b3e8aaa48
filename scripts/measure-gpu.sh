#!/usr/bin/env bash
# Switches between two models on an NVIDIA GPU and checks what the reports say of device memory:
#   - the memory of the model that left is back before the load of the next one begins (gpu_settled),
#   - the peak of a switch is at most 1.05 times the larger model's own footprint.
#
#   scripts/measure-gpu.sh MODEL_A.gguf MODEL_B.gguf [SWITCHES]
#
# Needs dist/hotmodel (or HOTMODEL_EXECUTABLE) and a llama-server with a GPU backend on PATH (or HOTMODEL_LLAMA_SERVER);
# no .NET. Exit status 0 when both hold for every switch.
set -euo pipefail
a=${1:?usage: measure-gpu.sh MODEL_A.gguf MODEL_B.gguf [SWITCHES]}; b=${2:?a second model}; switches=${3:-6}
a=$(realpath "$a"); b=$(realpath "$b")
hotmodel=${HOTMODEL_EXECUTABLE:-$(cd "$(dirname "$0")/.." && pwd)/dist/hotmodel}
server=${HOTMODEL_LLAMA_SERVER:-$(command -v llama-server)}
folder=$(mktemp -d); port=$((20000 + RANDOM % 20000))
cat >"$folder/hotmodel.toml" <<TOML
[server]
port = $port
gpu_settle_timeout_seconds = 20
[llama]
binary = "$server"
[router]
port = 0
[models.a]
path = "$a"
ctx_size = 8192
gpu_layers = 999
[models.b]
path = "$b"
ctx_size = 8192
gpu_layers = 999
TOML
"$hotmodel" serve --config "$folder/hotmodel.toml" 2>"$folder/log" &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null; rm -rf "$folder"' EXIT
up() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
for _ in $(seq 100); do up && break; sleep 0.1; done
switch() { "$hotmodel" switch "$1" --json --config "$folder/hotmodel.toml"; }
# level NAME: the total_mb of that reading in the report in $report.
level() { grep -oE "\"$1\":\{[^}]*\}" <<<"$report" | grep -oE '"total_mb":[0-9]+' | cut -d: -f2; }
seconds() { grep -oE "\"name\":\"$1\",\"seconds\":[0-9.E-]+" <<<"$report" | sed 's/.*://' ; }

report=$(switch a) || { echo "$report"; tail -30 "$folder/log"; exit 1; }
echo "First load: $(level after_load) MiB in use, $(seconds load) s"
echo "| switch | before unload | after unload | after settle | after load | peak | settled | unload s | settle s | load s |"
echo "|---|---|---|---|---|---|---|---|---|---|"
rows=()
for i in $(seq "$switches"); do
    target=$([[ $((i % 2)) = 1 ]] && echo b || echo a)
    report=$(switch $target) || { echo "$report"; tail -30 "$folder/log"; exit 1; }
    peak=$(grep -oE '"peak_mb":[0-9]+' <<<"$report" | cut -d: -f2)
    settled=$(grep -oE '"gpu_settled":[a-z]+' <<<"$report" | cut -d: -f2)
    echo "| -> $target | $(level before_unload) | $(level after_unload) | $(level after_settle) | $(level after_load) | $peak | $settled | $(seconds unload) | $(seconds settle) | $(seconds load) |"
    rows+=("$(level before_unload) $(level after_settle) $(level after_load) $peak $settled")
done
printf '%s\n' "${rows[@]}" | awk '
    { idle = (NR == 1 || $2 < idle) ? $2 : idle; for (i = 1; i <= 3; i += 2) if ($i > top) top = $i; if ($4 > peak) peak = $4; bad += $5 != "true" }
    END {
        printf "Idle level %d MiB, larger footprint %d MiB, highest peak %d MiB above idle: %.3f times the footprint; not settled: %d\n",
            idle, top - idle, peak - idle, (peak - idle) / (top - idle), bad
        exit !((peak - idle) <= 1.05 * (top - idle) && bad == 0)
    }'
