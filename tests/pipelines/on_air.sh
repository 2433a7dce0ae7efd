#!/usr/bin/env bash
# Minutes on air in real time: a live tone, mixed with announcements on the bundled voice, on two CPU cores.
# Not part of the tests that run by default. usage: on_air.sh [SECONDS]   (default: 300)
set -eu -o pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
unset INDEXTTS2_ENGINE
export GST_PLUGIN_PATH="$root/build/gst${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}"
exec taskset -c 0,1 "$root/build/tests/gst/on_air" "${1:-300}"
