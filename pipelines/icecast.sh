#!/usr/bin/env bash
# Speaks lines of standard input to an Icecast server.
# needs: the built plugin, gstreamer1.0-plugins-good (shout2send, vorbis), an Icecast server (Debian: icecast2)
# does:  Ogg Vorbis at the mount point, silence between the lines
# hear:  http://HOST:PORT/speech.ogg in a player
# usage: icecast.sh HOST PORT PASSWORD <LINES        (Ctrl-C ends it)
set -eu -o pipefail
[ $# -eq 3 ] || { sed -n '2,6s/^# //p' "$0" >&2; exit 2; }
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export GST_PLUGIN_PATH="$root/build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
exec gst-launch-1.0 -q fdsrc ! text/x-raw,format=utf8 ! indextts2src is-live=true ! queue ! audioconvert ! audioresample ! \
  audio/x-raw,rate=44100,channels=2 ! vorbisenc ! oggmux ! shout2send "ip=$1" "port=$2" "password=$3" mount=/speech.ogg
