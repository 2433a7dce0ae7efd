#!/usr/bin/env bash
# The live and captioned pipelines on the bundled voice; network ones on the loopback only.
source "$(dirname "$0")/common.sh"
cd "$scratch" || exit 1
unset INDEXTTS2_ENGINE
pipelines="$root/pipelines"
printf '1\n00:00:01,000 --> 00:00:03,000\nGood morning.\n\n2\n00:00:04,000 --> 00:00:04,500\nThis one has too many words for its time.\n' >cues.srt
printf 'Good morning.\nGood night.\n' >lines.txt

# Prints the seconds at which sound begins in a WAV file of one channel.
onset() {  # FILE
  python3 - "$1" <<'PY'
import array, struct, sys
data = open(sys.argv[1], "rb").read()
at = data.index(b"fmt ") + 8
rate, bits = struct.unpack("<I", data[at + 4:at + 8])[0], struct.unpack("<H", data[at + 14:at + 16])[0]
body = data[data.index(b"data") + 8:]
samples = array.array("f" if bits == 32 else "h", body[:len(body) // (bits // 8) * (bits // 8)])
scale = 1 if bits == 32 else 32767
print(next(i for i, s in enumerate(samples) if abs(s) > 0.01 * scale) / rate)
PY
}
between() { python3 -c 'import sys; v, a, b = map(float, sys.argv[1:]); sys.exit(not a <= v <= b)' "$@"; }

check "dub_srt speaks subtitles" timeout 120 "$pipelines/dub_srt.sh" cues.srt dub.wav seed=1
check "for the whole time" has_speech dub.wav 4.4
check "the first word is on time" between "$(onset dub.wav)" 0.95 1.3

check "two_voices speaks a dialogue" timeout 120 "$pipelines/two_voices.sh" lines.txt dialogue.wav
check "of both" has_speech dialogue.wav 1.2

# live_mixer: the programme goes down for the announcement and comes back.
mixer_sink="audioconvert ! audio/x-raw,format=S16LE,channels=1,rate=48000 ! wavenc ! filesink location=mix.wav"
check "live_mixer announces" env LIVE_MIXER_SINK="$mixer_sink" timeout 120 "$root/build/pipelines/live_mixer" "Good evening."
check "over a programme that never stops" test "$(stat -c %s mix.wav)" -gt 200000
gi_python=""
for python in python3 /usr/bin/python3; do
  "$python" -c 'import gi; gi.require_version("Gst", "1.0"); gi.require_version("GstController", "1.0")' 2>/dev/null && gi_python="$python"
done
if [ -n "$gi_python" ]; then
  check "live_mixer.py announces" env LIVE_MIXER_SINK="${mixer_sink/mix.wav/mixpy.wav}" timeout 120 "$gi_python" "$pipelines/live_mixer.py" \
    "Good evening."
  check "over a programme that never stops" test "$(stat -c %s mixpy.wav)" -gt 200000
else
  echo "left out: live_mixer.py (no python3 with python3-gi and gir1.2-gstreamer-1.0)"
fi

# live_rtp: a receiver on the loopback gets sound.
timeout 25 gst-launch-1.0 -q -e udpsrc port=15004 caps="application/x-rtp,media=audio,clock-rate=48000,encoding-name=L16,channels=1" ! \
  rtpjitterbuffer ! rtpL16depay ! audioconvert ! filesink location=rtp.raw &
receiver=$!
{ cat lines.txt; sleep 12; } | timeout -s INT 15 "$pipelines/live_rtp.sh" 127.0.0.1 15004
kill "$receiver" 2>/dev/null
wait "$receiver" 2>/dev/null
check "live_rtp sends without a pause" test "$(stat -c %s rtp.raw)" -gt 500000
check "and speaks" sh -c "od -An -v -td2 -w2 --endian=big rtp.raw | awk '\$1 > 1000 {n++} END {exit n < 1000}'"

timeout 60 "$pipelines/hls_captions.sh" hls "Good evening." 6
check "hls_captions writes a playlist" grep -q '^#EXTINF' hls/playlist.m3u8
check "its parts" test -s hls/part00000.ts
check "and captions" grep -q 'Good evening' hls/captions.vtt

icecast="$(command -v icecast2 || true)"
if [ -z "$icecast" ]; then
  echo "left out: icecast (the Debian package icecast2 is not installed)"
elif [ "$(id -u)" -eq 0 ] && ! id -u icecast2 >/dev/null 2>&1; then
  echo "left out: icecast (it refuses to run as root, and there is no user icecast2)"
else
  mkdir -m 777 -p log
  cat >icecast.xml <<XML
<icecast><hostname>127.0.0.1</hostname><listen-socket><port>18000</port><bind-address>127.0.0.1</bind-address></listen-socket>
<authentication><source-password>loop</source-password><admin-user>a</admin-user><admin-password>loop</admin-password></authentication>
<limits><clients>4</clients><sources>2</sources></limits>
<paths><basedir>/usr/share/icecast2</basedir><logdir>$scratch/log</logdir><webroot>/usr/share/icecast2/web</webroot>
<adminroot>/usr/share/icecast2/admin</adminroot></paths><logging><accesslog>a.log</accesslog><errorlog>e.log</errorlog></logging>
<security><chroot>0</chroot>$([ "$(id -u)" -eq 0 ] && echo '<changeowner><user>icecast2</user><group>icecast</group></changeowner>')</security></icecast>
XML
  chmod 755 "$scratch"
  "$icecast" -c icecast.xml >icecast.txt 2>&1 &
  server=$!
  sleep 1
  { cat lines.txt; sleep 14; } | timeout -s INT 16 "$pipelines/icecast.sh" 127.0.0.1 18000 loop &
  sleep 4
  timeout 8 gst-launch-1.0 -q souphttpsrc location=http://127.0.0.1:18000/speech.ogg ! filesink location=radio.ogg buffer-mode=unbuffered
  kill "$server" 2>/dev/null
  wait
  check "icecast sends Ogg" sh -c 'head -c 4 radio.ogg | grep -q OggS'
fi
finish
