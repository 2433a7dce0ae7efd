#!/usr/bin/env bash
# A dialogue of two voices into a WAV file.
# needs: the built plugin
# does:  speaks the lines of a file in turn with the two voices, with concat
# hear:  line 1 in the first voice, line 2 in the second, and so on
# usage: two_voices.sh LINES.txt OUTPUT.wav [VOICE_A.wav VOICE_B.wav]   (default: two prompts of the bundled model)
set -eu -o pipefail
[ $# -ge 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export GST_PLUGIN_PATH="$root/build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
lines="$1" output="$2"
voices=("${3:-$root/models/compact-en/prompts/man_calm.wav}" "${4:-$root/models/compact-en/prompts/woman_warm.wav}")
speakers=()
number=0
while IFS= read -r line; do
  [ -n "${line// /}" ] || continue
  # A backslash before each quotation mark and backslash, as gst-launch reads strings.
  line="${line//\\/\\\\}" line="${line//\"/\\\"}"
  speakers+=(indextts2src "text=\"$line\"" "voice=${voices[$((number % 2))]}" ! queue ! turns.)
  number=$((number + 1))
done <"$lines"
[ "$number" -gt 0 ] || { printf 'two_voices.sh: %s has no lines\n' "$lines" >&2; exit 2; }
# The elements share one model: share-pool is on by default.
exec gst-launch-1.0 -q concat name=turns ! audioconvert ! audioresample ! wavenc ! filesink "location=$output" "${speakers[@]}"
