#!/usr/bin/env bash
# Launch lines as processes on the bundled voice, each twice: the second run must not depend on what the first left behind.
source "$(dirname "$0")/common.sh"
cd "$scratch" || exit 1
unset INDEXTTS2_ENGINE
launch() { timeout 120 gst-launch-1.0 -q "$@"; }
printf '1\n00:00:00,000 --> 00:00:01,000\nGood morning.\n\n2\n00:00:02,000 --> 00:00:03,000\nGood night.\n' >cues.srt
printf 'Good morning.\nGood night.\n' >lines.txt

for run in 1 2; do
  check "property text, run $run" launch indextts2src seed=1 text="Good morning." ! audioconvert ! audioresample ! \
    wavenc ! filesink location="text$run.wav"
  check "holds speech" has_speech "text$run.wav" 0.7
  check "subtitles, run $run" launch filesrc location=cues.srt ! subparse ! indextts2src seed=1 ! audioconvert ! \
    wavenc ! filesink location="cues$run.wav"
  check "holds speech" has_speech "cues$run.wav" 1.2
  check "standard input, run $run" sh -c "timeout 120 gst-launch-1.0 -q fdsrc ! text/x-raw,format=utf8 ! indextts2src seed=1 ! \
    audioconvert ! wavenc ! filesink location=fd$run.wav <lines.txt"
  check "holds speech" has_speech "fd$run.wav" 1.2
  check "without an engine gst-inspect lists everything, run $run" sh -c \
    'INDEXTTS2_ENGINE=/nowhere/libindextts2.so.0 gst-inspect-1.0 indextts2src | grep -q max-segment-tokens'
  check "and PAUSED fails with the reason, run $run" sh -c \
    '! INDEXTTS2_ENGINE=/nowhere/libindextts2.so.0 timeout 60 gst-launch-1.0 indextts2src text=x ! fakesink >out.txt 2>&1; grep -q nowhere out.txt'
done
check "the same seed gives the same file" cmp text1.wav text2.wav
check "no plugin is blacklisted" sh -c 'gst-inspect-1.0 -b | grep -q "Total count: 0"'

# The order and the samples depend neither on the number of replicas nor on the window.
n=0
long="The first sentence is short. The second one is a little longer than the first. Here is the third. And a fourth."
for setting in "devices=cpu" "devices=cpu:3" "devices=cpu:3 prefetch=1" "devices=cpu prefetch=9"; do
  # shellcheck disable=SC2086
  check "speaks with $setting" launch indextts2src $setting threads=1 seed=5 max-segment-tokens=40 text="$long" ! filesink location="order.raw.$((++n))"
  check "equals the first" cmp order.raw.1 "order.raw.$n"
done
# The program of docs/embedding.md.
check "a program without GStreamer speaks" sh -c "'$root/build/pipelines/embed' '$root/models/compact-en' 'Good morning.' >embed.f32"
check "and writes sound" test "$(stat -c %s embed.f32)" -gt 60000
finish
