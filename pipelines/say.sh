#!/usr/bin/env bash
# Speaks a text: needs nothing (sets itself up on Debian 12), plays on the default sound output or writes a file.
# Hear: the bundled English voice, or any IndexTTS2 model and any voice clip.
set -u -o pipefail

usage() {
  cat <<'TEXT'
usage: say.sh [OPTION...] [TEXT]        without TEXT the text is read from standard input

  -o, --output FILE   write FILE (.wav or .flac) instead of playing
      --model DIR     model folder in the official layout (default: the bundled compact English voice)
      --voice FILE    clip of the voice to speak with, 1 to 15 s of it are used (default: the model's first prompt)
      --devices LIST  where to run: auto, cpu, cuda:0, cuda:0,cuda:1, ... (default: auto)
      --seed N        same text, voice and N give the same sound (default: another one every time)
  -h, --help          this text
TEXT
}

fail() {
  printf 'say.sh: %s\n' "$1" >&2
  exit 2
}

output="" model="" voice="" devices="" seed="" text="" have_text=0
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    -o | --output | --model | --voice | --devices | --seed)
      [ $# -ge 2 ] || fail "$1 needs a value; see --help"
      case "$1" in
        -o | --output) output="$2" ;;
        --model) model="$2" ;;
        --voice) voice="$2" ;;
        --devices) devices="$2" ;;
        --seed) seed="$2" ;;
      esac
      shift ;;
    --) shift; break ;;
    -?*) fail "unknown option $1; see --help" ;;
    *) [ "$have_text" -eq 0 ] || fail "more than one text; put it in quotation marks"
       text="$1" have_text=1 ;;
  esac
  shift
done
if [ $# -gt 0 ]; then
  [ "$have_text" -eq 0 ] && [ $# -eq 1 ] || fail "more than one text; put it in quotation marks"
  text="$1" have_text=1
fi
case "$output" in
  "" | *.wav | *.flac) ;;
  *) fail "the name of the output must end in .wav or .flac, got \"$output\"" ;;
esac
[ -z "$model" ] || [ -d "$model" ] || fail "no such model folder: $model"
[ -z "$voice" ] || [ -r "$voice" ] || fail "cannot read the voice clip $voice"
[[ "$seed" =~ ^[0-9]*$ ]] || fail "the seed must be a whole number from 0 on, got \"$seed\""

# shellcheck source=setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_build speak
export GST_PLUGIN_PATH="$build_dir/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"

text_file="$(mktemp)"
trap 'rm -f "$text_file"' EXIT
if [ "$have_text" -eq 1 ]; then printf '%s' "$text" >"$text_file"; else cat >"$text_file"; fi
grep -q '[^[:space:]]' "$text_file" || fail "the text is empty"

# autoaudiosink takes a fake sink without a word when there is no sound output; the name of what it took tells.
has_sound_output() {
  local taken
  taken="$(timeout 5 gst-launch-1.0 -v audiotestsrc num-buffers=1 volume=0 ! audioconvert ! autoaudiosink 2>&1)" || return 1
  grep -q 'actual-sink' <<<"$taken" && ! grep -qi 'fake' <<<"$taken"
}

if [ -z "$output" ] && ! has_sound_output; then
  output="speech.wav"
  number=1
  while [ -e "$output" ]; do number=$((number + 1)) output="speech-$number.wav"; done
  printf 'No sound output on this machine: writing %s\n' "$output" >&2
fi

speech=(indextts2src "location=$text_file")
[ -z "$model" ] || speech+=("model-path=$model")
[ -z "$voice" ] || speech+=("voice=$voice")
[ -z "$devices" ] || speech+=("devices=$devices")
[ -z "$seed" ] || speech+=("seed=$seed")
case "$output" in
  "") sink=(autoaudiosink) ;;
  *.wav) sink=(wavenc ! filesink "location=$output") ;;
  *.flac) sink=(flacenc ! filesink "location=$output") ;;
esac
gst-launch-1.0 -q "${speech[@]}" ! audioconvert ! audioresample ! "${sink[@]}" || exit 1
[ -z "$output" ] || printf '%s\n' "$output"
