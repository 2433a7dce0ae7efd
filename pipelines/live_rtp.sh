#!/usr/bin/env bash
# Speaks lines of standard input into a live RTP stream.
# needs: the built plugin, gstreamer1.0-plugins-good
# does:  16-bit 48 kHz mono as L16 to a UDP port, with RTP times from the clock; silence between the lines
# hear:  with gst-launch-1.0 udpsrc port=5004 caps="application/x-rtp,media=audio,clock-rate=48000,encoding-name=L16,channels=1"
#        ! rtpjitterbuffer ! rtpL16depay ! audioconvert ! autoaudiosink
# usage: live_rtp.sh [HOST [PORT]] <LINES        (default: 127.0.0.1 5004; Ctrl-C ends it)
set -eu -o pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export GST_PLUGIN_PATH="$root/build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
exec gst-launch-1.0 -q fdsrc ! text/x-raw,format=utf8 ! indextts2src is-live=true ! queue ! audioconvert ! audioresample ! \
  audio/x-raw,format=S16BE,rate=48000,channels=1 ! rtpL16pay ! udpsink "host=${1:-127.0.0.1}" "port=${2:-5004}"
