#!/usr/bin/env bash
# Speaks the subtitles of an SRT or WebVTT file at their times into a WAV file.
# needs: the built plugin (pipelines/say.sh sets it up), gstreamer1.0-plugins-base
# does:  subparse cuts the file into cues, indextts2src speaks each at its time, compress fits long ones
# hear:  the whole dub, silent between the cues; at most twice as fast where a cue is short
# usage: dub_srt.sh SUBTITLES OUTPUT.wav [PROPERTY=VALUE...]      (properties of indextts2src)
set -eu -o pipefail
[ $# -ge 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
subtitles="$1" output="$2"
shift 2
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export GST_PLUGIN_PATH="$root/build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
exec gst-launch-1.0 -q filesrc "location=$subtitles" ! subparse ! indextts2src timing=cue overflow=compress on-error=skip "$@" ! \
  audioconvert ! audioresample ! wavenc ! filesink "location=$output"
