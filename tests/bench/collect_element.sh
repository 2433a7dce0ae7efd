#!/usr/bin/env bash
# Adds what the element needs on a GPU machine without GStreamer to a folder that collect_gpu.sh filled: the plugin, GStreamer
# itself with the few plugins of a launch line, and the test programs named.
#
#   tests/bench/collect_element.sh FOLDER [TEST_PROGRAM...]      then, on that machine, with T = the torch folder of its Python:
#   source FOLDER/element.sh $T && gst-launch-1.0 indextts2src devices=cuda:0 model-path=MODEL text="Hello." ! fakesink
set -eu
cd "$(dirname "$0")/../.."
to="$1"
shift
mkdir -p "$to/plugins" "$to/bin"
plugins="$(pkg-config --variable=pluginsdir gstreamer-1.0)"
cp "$(command -v gst-launch-1.0)" "$(command -v gst-inspect-1.0)" "$to/bin/"
for program in "$@"; do strip -o "$to/bin/$(basename "$program")" "$program"; done
for plugin in coreelements audioconvert audioresample wavenc; do cp "$plugins/libgst$plugin.so" "$to/plugins/"; done
strip -o "$to/plugins/libgstindextts2.so" build/gst/libgstindextts2.so
ldd "$to"/bin/* "$to"/plugins/* | awk '$3 ~ /^\// {print $3}' | sort -u |
  grep -vE '/(torch|nvidia)/|/lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|gomp)\.so' | xargs -r cp -Lt "$to"
cat >"$to/element.sh" <<'SETTINGS'
# Sourced with the torch folder as argument: makes the collected GStreamer and element the ones that run.
collected="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export PATH="$collected/bin:$PATH" LD_LIBRARY_PATH="$collected:$1/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export GST_PLUGIN_PATH_1_0="$collected/plugins" GST_PLUGIN_SYSTEM_PATH_1_0= GST_REGISTRY_FORK=no
export GST_REGISTRY="${TMPDIR:-/tmp}/element.registry" INDEXTTS2_ENGINE="$collected/libindextts2.so.0"
SETTINGS
du -sh "$to"
