#!/usr/bin/env bash
# Lets the recogniser of judge.sh hear two sets of spoken sentences, and fails when it hears another word in one than in the other.
#
#   speak_lines MODEL tests/judge/sentences_50.txt FOLDER1 cuda:0 fp32      likewise FOLDER2 with bf16; then
#   tests/judge/compare.sh FOLDER1 FOLDER2
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=recogniser.sh
source tests/judge/recogniser.sh
[ $# -eq 2 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
install_recogniser
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
for side in 1 2; do
  number=0
  while IFS= read -r sentence; do
    number=$((number + 1))
    printf '%s\t%s\n' "${!side}/$number.wav" "$sentence"
  done <tests/judge/sentences_50.txt >"$scratch/$side.tsv"
done
.judge/bin/python tests/judge/wer.py "$scratch/1.tsv" "$scratch/2.tsv"
