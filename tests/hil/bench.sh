#!/usr/bin/env bash
# Times a board: every engine, a whole case, the peers. Run it on the board itself (Raspberry Pi 5, Jetson Orin, …):
#   tests/hil/bench.sh PROGRAM [OUT]
# PROGRAM is the hilum binary for the board (cross/build), OUT a folder for what is measured (out/bench).
# Beside PROGRAM may lie engines/ (cargo xtask engines fetch --to engines) and bundle/ (models/reference).
# Peers in Python are timed if python3 (or $PYTHON) has them: pip install ai-edge-litert onnxruntime numpy
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

[ $# -ge 1 ] || { sed -n '3p' "$0" | cut -c3- >&2; exit 64; }
program=$(realpath "$1")
out=${2:-out/bench}
mkdir -p "$out"

# What decides a figure on a board: clocks, heat, power. A governor that saves power is said, not changed.
{
    date -u +%Y-%m-%dT%H:%M:%SZ
    uname -srm
    tr -d '\0' </proc/device-tree/model 2>/dev/null && echo
    grep -m1 -E 'model name|Model' /proc/cpuinfo || true
    cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor 2>/dev/null | sort | uniq -c || true
    cat /sys/devices/system/cpu/cpu0/cpufreq/{scaling_max_freq,cpuinfo_max_freq} 2>/dev/null || true
    command -v nvpmodel >/dev/null && nvpmodel -q 2>/dev/null || true
    free -m | head -2
    "$program" --version
} >"$out/board.txt"
heat() { for zone in /sys/class/thermal/thermal_zone*; do echo "$(cat "$zone/type" 2>/dev/null) $(cat "$zone/temp" 2>/dev/null)"; done; }
throttled() { command -v vcgencmd >/dev/null && vcgencmd get_throttled || true; }

{ heat; throttled; } >"$out/before.txt"
python=()
[ -z "${PYTHON:-}" ] || python=(--python "$PYTHON")
# Two minutes at full load on each engine: long enough for a fanless board to slow down.
"$program" bench --runs 9 --sustained 120 --against --peers "$here/../bench" "${python[@]}" --json >"$out/bench.json" 2>"$out/bench.log"
{ heat; throttled; } >"$out/after.txt"
"$program" bundle verify "${HILUM_BUNDLE:-$(dirname "$program")/bundle}" --engine tflite >"$out/tflite.txt" 2>&1 || true
echo "measured: $out/bench.json"
