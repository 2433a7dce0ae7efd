#!/usr/bin/env bash
# Runs the CUDA test programs and the tiny model's golden cases under compute-sanitizer: memcheck (bounds, misuse of the API) and
# racecheck (shared memory). Ends with a line per program and tool, and fails if one of them found something. Under racecheck a chain takes
# two minutes.
#
#   tests/bench/sanitize_gpu.sh [BUILD_FOLDER]         default: build
#   TOOLS="memcheck racecheck synccheck"  ONLY=golden_chain  LIMIT=1200   tools, part of the programs' names, seconds for each run
set -u
cd "$(dirname "$0")/../.."
build="${1:-build}"
sanitizer="${SANITIZER:-$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)}"
if [ ! -x "$sanitizer" ]; then
  echo "sanitize_gpu.sh: compute-sanitizer is missing; it comes with the CUDA toolkit and with PyPI's nvidia-cuda-sanitizer-api" \
    "of 13.5 and newer (site-packages/nvidia/cu13/compute-sanitizer; older ones lack TreeLauncherSubreaper and start nothing); set SANITIZER to it" >&2
  exit 2
fi
limit="${LIMIT:-1200}"
logs="$(mktemp -d)"
failed=0 ran=0

# Name, tool, command...
check() {
  local name="$1" tool="$2"
  shift 2
  case "$name" in *"${ONLY:-}"*) ;; *) return ;; esac
  ran=$((ran + 1))
  # Own kernels alone: LibTorch's are not ours to judge, and most of the time.
  timeout "$limit" "$sanitizer" --tool "$tool" --kernel-name kernel_substring=indextts2 --error-exitcode 86 --print-limit 10 "$@" > "$logs/$name.$tool" 2>&1
  local status=$?
  if grep -q "before first instrumented API call" "$logs/$name.$tool" && grep -qE "left out|PASSED|cases, 0 failed" "$logs/$name.$tool"; then
    echo "left out $tool $name: it calls no device"
  elif [ $status -eq 0 ]; then
    echo "clean    $tool $name"
  else
    failed=$((failed + 1))
    [ $status -eq 124 ] && echo "slow     $tool $name: not through in $limit s" || echo "FAILED   $tool $name ($status)"
    grep -E "=========|FAILED|Failure" "$logs/$name.$tool" | head -20
    tail -n 3 "$logs/$name.$tool"
  fi
}

cases="$(python3 -c 'import json; print(*json.load(open("tests/golden/reference/index.json")))')"
for tool in ${TOOLS:-memcheck racecheck}; do
  for program in "$build"/tests/unit/cuda/cuda_*_test; do
    [ -x "$program" ] && check "$(basename "$program")" "$tool" "$program"
  done
  for case in $cases; do
    INDEXTTS2_GRAMMARS="$build/engine/text" check "golden_$case" "$tool" "$build/tests/golden/golden_test" tests/golden/reference cuda:0 "$case"
  done
done
echo "$ran runs, $failed failed; logs in $logs"
[ $failed -eq 0 ] && [ $ran -gt 0 ]
