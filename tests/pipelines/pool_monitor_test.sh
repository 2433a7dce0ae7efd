#!/usr/bin/env bash
# pipelines/pool_monitor.sh: a table while a pipeline runs, from its trace, which is valid JSON once closed.
source "$(dirname "$0")/common.sh"
monitor="$root/pipelines/pool_monitor.sh"
cd "$scratch" || exit 1

speak() {  # DEVICES, further words of the launch line
  local devices="$1"
  shift
  "$@" gst-launch-1.0 -q indextts2src "devices=$devices" seed=7 max-segment-tokens=20 \
    text="Good morning. This is a second sentence. And here is a third one." ! fakesink
}

# The trace as JSON: spans of the segments, tracks with names, counters.
is_trace() {  # FILE SEGMENTS_AT_LEAST
  python3 - "$1" "$2" <<'PY'
import json, sys
text = open(sys.argv[1]).read().rstrip().rstrip(",")
events = json.loads(text + "]")
spans = [e for e in events if e["ph"] == "X"]
assert len(spans) >= int(sys.argv[2]), f"{len(spans)} spans"
assert all(e["dur"] > 0 and e["args"]["ok"] and e["args"]["codes"] > 0 for e in spans)
names = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M"}
assert all(e["tid"] in names for e in spans)
assert [e for e in events if e["ph"] == "C"][-1]["args"]["segments"] > 0
PY
}

check "a command is run and its replicas are shown" sh -c "'$monitor' --once -- gst-launch-1.0 -q indextts2src devices=cpu:2 text='Good morning. And a second one.' ! fakesink >table.txt"
check "with a line for each" sh -c "grep -q '^cpu ' table.txt"
check "and what they have done" sh -c "awk '\$1 == \"cpu\" && \$3 > 0 && \$5 > 0 {ok = 1} END {exit !ok}' table.txt"
check "a trace on request" speak cpu env INDEXTTS2_TRACE=trace.json
check "which is the trace format of Chrome" is_trace trace.json 2
check "a file is shown, too" sh -c "'$monitor' --once trace.json | grep -q '^cpu '"
check "the status is the command's" sh -c "'$monitor' --once -- false >/dev/null; [ \$? -eq 1 ]"
check "no file" sh -c "'$monitor' --once nothing.json 2>&1 | grep -q 'cannot read'"
finish
