#!/usr/bin/env bash
# Shows what each replica of a running pool does, like top: queue, busy share, segments, codes per second, memory.
# Needs: a process with INDEXTTS2_TRACE=FILE (docs/scaling.md), or a command to start with one. Hear: nothing.
set -u -o pipefail

usage() {
  cat <<'TEXT'
usage: pool_monitor.sh [--once] FILE             FILE: the trace of a running process
       pool_monitor.sh [--once] -- COMMAND...    starts COMMAND with a trace and watches it until it ends

  --once   one table of what the trace says now (with a COMMAND: at its end), no screen control
TEXT
}

fail() {
  printf 'pool_monitor.sh: %s\n' "$1" >&2
  exit 2
}

once=0 trace=""
while [ $# -gt 0 ]; do
  case "$1" in
    -h | --help) usage; exit 0 ;;
    --once) once=1 ;;
    --) shift; break ;;
    -*) fail "unknown option $1; see --help" ;;
    *) [ -z "$trace" ] || fail "more than one file; see --help"
       trace="$1" ;;
  esac
  shift
done
if [ $# -gt 0 ]; then
  [ -z "$trace" ] || fail "a file or a command, not both"
  trace="$(mktemp)"
  trap 'rm -f "$trace"' EXIT
else
  [ -n "$trace" ] || fail "no file and no command; see --help"
  [ -r "$trace" ] || fail "cannot read $trace"
fi

# The last counters of each replica; a replica that was lost says so.
table() {
  awk '
    function field(name,   at) {
      at = match($0, "\"" name "\":[0-9.]+")
      return at ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 3) : "-"
    }
    function name(   text) {
      match($0, /"name":"[^"]*"/)
      text = substr($0, RSTART + 8, RLENGTH - 9)
      return text
    }
    /"ph":"C"/ {
      key = name()
      if (!(key in row)) order[++count] = key
      row[key] = sprintf("%6s %8s %6s %9s %9s %9s", field("queued"), field("segments"), field("busy_percent"),
                         field("codes_per_s"), field("audio_s"), field("memory_mib"))
      lost[key] = 0
    }
    /"name":"lost / { key = name(); sub(/^lost /, "", key); lost[key] = 1 }
    END {
      printf "%-12s %6s %8s %6s %9s %9s %9s\n", "DEVICE", "QUEUED", "SEGMENTS", "BUSY%", "CODES/S", "AUDIO S", "MEM MIB"
      for (i = 1; i <= count; i++) printf "%-12s %s%s\n", order[i], row[order[i]], lost[order[i]] ? "  lost" : ""
    }' "$trace"
}

watch_until() {  # CONDITION...: ends when it fails
  while "$@"; do
    printf '\033[H\033[2J%s\n\n' "$(date '+%H:%M:%S')"
    table
    sleep 1
  done
}

status=0
if [ $# -gt 0 ]; then
  INDEXTTS2_TRACE="$trace" "$@" &
  command_id=$!
  [ "$once" -eq 1 ] || watch_until kill -0 "$command_id" 2>/dev/null
  wait "$command_id" || status=$?
  table
elif [ "$once" -eq 1 ]; then
  table
else
  watch_until true
fi
exit "$status"
