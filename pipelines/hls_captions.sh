#!/usr/bin/env bash
# An announcement in a running programme as an HLS stream, with its captions in a WebVTT file beside it.
# needs: the built plugin, gstreamer1.0-plugins-bad (hlssink2, voaacenc)
# does:  mixes a live tone and speech, cuts it into segments of 2 s of MPEG-TS, writes captions.vtt in time with the sound
# hear:  open playlist.m3u8 in a player; the captions have the running time of the stream
# usage: hls_captions.sh FOLDER TEXT [SECONDS]
set -eu -o pipefail
[ $# -ge 2 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export GST_PLUGIN_PATH="$root/build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
folder="$1" text="$2" seconds="${3:-8}"
mkdir -p "$folder"
text="${text//\\/\\\\}" text="${text//\"/\\\"}"
exec gst-launch-1.0 -q hlssink2 name=hls "location=$folder/part%05d.ts" "playlist-location=$folder/playlist.m3u8" target-duration=2 \
  audiomixer name=mix ! audio/x-raw,rate=48000 ! audioconvert ! queue ! voaacenc ! aacparse ! hls.audio \
  audiotestsrc is-live=true volume=0.1 samplesperbuffer=960 "num-buffers=$((seconds * 50))" ! audio/x-raw,rate=48000 ! mix. \
  indextts2src is-live=true "num-buffers=$((seconds * 50))" "text=\"$text\"" ! indextts2caption name=captions captions.src ! queue ! audioconvert ! audioresample ! \
  audio/x-raw,rate=48000 ! mix. captions.text ! queue ! webvttenc ! filesink "location=$folder/captions.vtt"
