#!/usr/bin/env bash
# Builds and runs the tests: all suites, or those named. Does all set-up that it needs.
#
#   ./tests/run.sh [unit|golden|gst|headers|layers|pipelines|sanitizers]...
#   INDEXTTS2_GOLDEN_DIR=DIR ./tests/run.sh golden     golden cases of another folder instead (docs/golden.md)
#
# Ends with the line "N passed, N failed"; the exit status says the same.
set -u -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
# shellcheck source=../pipelines/setup.sh
source pipelines/setup.sh

all_suites=(layers headers unit golden gst pipelines sanitizers)
suites=("$@")
[ "${#suites[@]}" -gt 0 ] || suites=("${all_suites[@]}")
for suite in "${suites[@]}"; do
  case " ${all_suites[*]} " in
    *" $suite "*) ;;
    *) printf 'tests/run.sh: unknown suite "%s"; there are: %s\n' "$suite" "${all_suites[*]}" >&2; exit 2 ;;
  esac
done

passed=0
failed=0
failures=()  # named at the end, where they are seen, with what they printed
failure_log="$(mktemp)"
trap 'rm -f "$failure_log"' EXIT

# Runs one Meson suite and adds its counts; keeps the output of what failed.
run_suite() {  # FOLDER SUITE
  local folder="$1" suite="$2" log ok bad name
  log="$(mktemp)"
  printf '== %s (%s)\n' "$suite" "${folder#"$project_root"/}"
  meson test -C "$folder" --no-rebuild --print-errorlogs --timeout-multiplier 10 --suite "$suite" >"$log" 2>&1
  # A test that names why it left something out says so in its log; nothing is skipped silently.
  grep -hE '^ *(left out|SKIP)' "$folder/meson-logs/testlog.txt" | sort -u
  grep -E '^ *[0-9]+/[0-9]+ ' "$log"
  ok="$(sed -n 's/^Ok: *\([0-9]*\).*/\1/p' "$log")"
  bad="$(grep -E '^(Fail|Timeout|Unexpected Pass|Skipped): ' "$log" | awk '{n += $NF} END {print n + 0}')"
  [ -n "$ok" ] || { ok=0; bad=1; failures+=("${folder##*/}: suite $suite ran no test"); }
  [ "$bad" -eq 0 ] || { printf '== %s (%s)\n' "$suite" "${folder##*/}"; grep -vE '^ *[0-9]+/[0-9]+ .* OK  |^>>>' "$log" | tail -n 60; } >>"$failure_log"
  while read -r name; do failures+=("${folder##*/}: $name"); done < \
    <(sed -nE 's/^ *[0-9]+\/[0-9]+ +[^ ]+ \/ ([^ ]+) +(FAIL|TIMEOUT|SKIP|UNEXPECTEDPASS) .*/\1 \2/p' "$log" | sort -u)
  passed=$((passed + ok))
  failed=$((failed + bad))
  rm -f "$log"
}

# Golden cases of a folder that is not part of the tree; shows every comparison that failed.
run_golden_folder() {  # FOLDER
  local folder="$1" log
  log="$(mktemp)"
  printf '== golden (%s)\n' "$folder"
  "$build_dir/tests/golden/golden_test" "$folder" >"$log" 2>&1
  if [ -e "$folder/front.jsonl" ]; then
    if "$build_dir/tests/golden/front_test" "$folder" "$build_dir/engine/text" >>"$log" 2>&1; then
      printf 'PASS front\n' >>"$log"
    else
      printf 'FAIL front\n' >>"$log"
    fi
  fi
  grep -E '^(PASS|FAIL) |^ *(left out|FAIL)' "$log" || cat "$log"
  passed=$((passed + $(grep -c '^PASS ' "$log")))
  # No verdict at all, as for a folder that cannot be read, is a failure.
  grep -qE '^(PASS|FAIL) ' "$log" || failed=$((failed + 1))
  failed=$((failed + $(grep -c '^FAIL ' "$log")))
  rm -f "$log"
}

# ASan+UBSan over unit and gst, TSan over pool, session and element, each in a build folder of its own.
run_sanitizers() {
  # Line tables only: a third of the compile time of full debug information, and reports still name lines.
  # Without kernels: they run on GPUs only, where compute-sanitizer does the same.
  local lean=(-Ddebug=false -Doptimization=1 -Dcpp_args=-g1 -Dcuda=disabled)
  configure "$build_dir-asan" "${lean[@]}" -Db_sanitize=address,undefined -Db_lundef=false
  compile "$build_dir-asan"
  run_suite "$build_dir-asan" unit
  run_suite "$build_dir-asan" gst
  configure "$build_dir-tsan" "${lean[@]}" -Db_sanitize=thread -Db_lundef=false
  compile "$build_dir-tsan" threads-tests
  run_suite "$build_dir-tsan" threads
}

setup_build
for suite in "${suites[@]}"; do
  if [ "$suite" = sanitizers ]; then
    run_sanitizers
  elif [ "$suite" = golden ] && [ -n "${INDEXTTS2_GOLDEN_DIR:-}" ]; then
    run_golden_folder "$INDEXTTS2_GOLDEN_DIR"
  else
    run_suite "$build_dir" "$suite"
  fi
done
cat "$failure_log"
[ "${#failures[@]}" -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
