#!/usr/bin/env bash
# pipelines/say.sh: files, standard input, seeds, and what it says about wrong options.
source "$(dirname "$0")/common.sh"
say="$root/pipelines/say.sh"
cd "$scratch" || exit 1

says() {  # TEXT COMMAND...: the command fails and its output holds TEXT
  local wanted="$1" output
  shift
  output="$("$@" 2>&1)" && return 1
  grep -qF -- "$wanted" <<<"$output"
}

check "writes a WAV file" "$say" -o one.wav --seed 7 "Good morning."
check "which holds speech" has_speech one.wav 0.7
check "text on standard input" sh -c "printf 'Good morning.' | '$say' --output two.wav --seed 7"
check "the same seed gives the same file" cmp one.wav two.wav
check "another seed" "$say" -o three.wav --seed 8 "Good morning."
check "gives another file" sh -c '! cmp -s one.wav three.wav'
check "another voice" "$say" -o four.wav --seed 7 --voice "$root/models/compact-en/prompts/woman_warm.wav" "Good morning."
check "gives another file" sh -c '! cmp -s one.wav four.wav'
check "writes a FLAC file" "$say" -o one.flac --seed 7 "Good morning."
check "which starts as one" sh -c 'head -c 4 one.flac | grep -q fLaC'
check "help" sh -c "'$say' --help | grep -q -- --devices"
check "unknown option" says "unknown option --what" "$say" --what x
check "unknown file type" says ".wav or .flac" "$say" -o x.mp3 "Good morning."
check "missing voice" says "nobody.wav" "$say" --voice nobody.wav "Good morning."
check "missing model" says "no such model folder" "$say" --model nowhere "Good morning."
check "empty text" says "empty" "$say" -o x.wav " "
check "unknown device" says "tpu" "$say" -o x.wav --devices tpu "Good morning."
finish
