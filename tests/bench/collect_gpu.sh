#!/usr/bin/env bash
# Collects what a GPU machine without this project's libraries needs to run golden_test, bench_speak, bench_soak, bench_scaling: these, the
# engine, the CUDA library, the grammars, and the shared libraries that are not LibTorch's or the C library's.
#
#   tests/bench/collect_gpu.sh FOLDER      then, on that machine, with T = the torch folder of its Python:
#   INDEXTTS2_GRAMMARS=FOLDER/text LD_LIBRARY_PATH=FOLDER:$T/lib FOLDER/golden_test tests/golden/reference cuda:0
set -eu
cd "$(dirname "$0")/../.."
to="$1"
mkdir -p "$to/text" "$to/cuda"
for file in tests/golden/golden_test tests/bench/bench_speak tests/bench/bench_scaling tests/bench/bench_quality tests/bench/bench_soak engine/libindextts2.so.0; do
  strip -o "$to/$(basename "$file")" "build/$file"
done
[ ! -e build/engine/cuda/libindextts2-cuda.so.0 ] || cp build/engine/cuda/libindextts2-cuda.so.0 "$to/cuda/"
cp build/engine/text/*.fst "$to/text/"
ldd "$to/golden_test" "$to/libindextts2.so.0" | awk '$3 ~ /^\// {print $3}' | sort -u |
  grep -vE '/(torch|nvidia)/|/lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|gomp)\.so' | xargs -r cp -Lt "$to"
du -sh "$to"
