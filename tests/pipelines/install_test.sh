#!/usr/bin/env bash
# meson install into a staging folder: the plugin, engine, grammars and voice find each other there.
source "$(dirname "$0")/common.sh"
cd "$scratch" || exit 1
unset INDEXTTS2_ENGINE
check "installs" sh -c "DESTDIR='$scratch/stage' meson install -C '$root/build' --no-rebuild >install.txt 2>&1 || { cat install.txt; false; }"
plugin="$(find stage -name libgstindextts2.so)"
export GST_PLUGIN_PATH="$scratch/$(dirname "$plugin")"
# The build tree must not help: nothing in the staged files may name it but LibTorch's folder.
check "the staged plugin is the one that is found" sh -c "gst-inspect-1.0 indextts2src | grep -q '$scratch/stage'"
check "speaks" timeout 120 gst-launch-1.0 -q indextts2src seed=1 text="Good morning." ! audioconvert ! wavenc ! filesink location=installed.wav
check "holds speech" has_speech installed.wav 0.7
check "no plugin is blacklisted" sh -c 'gst-inspect-1.0 -b | grep -q "Total count: 0"'
check "the public header is there" test -e "$(find stage -name engine.h)"
finish
