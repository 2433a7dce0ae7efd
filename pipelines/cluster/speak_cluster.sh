#!/usr/bin/env bash
# Speaks a text on the GPUs of a Ray cluster, or on CPU workers here: speak_cluster.py with Ray from PyPI in .ray.
# Needs: the build (pipelines/say.sh makes it), the network for the first call. Hear: one WAV file.
set -u -o pipefail
folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$folder/../.." && pwd)"
ray_package="ray==2.60.0"

if [ "$(cat "$root/.ray/package" 2>/dev/null)" != "$ray_package" ]; then
  printf 'set-up: installing %s into .ray (once)\n' "$ray_package" >&2
  log="$root/build-setup.log"
  { python3 -m venv "$root/.ray" && "$root/.ray/bin/pip" install -q --no-cache-dir "$ray_package"; } >>"$log" 2>&1 || {
    printf 'speak_cluster.sh: Ray cannot be installed; see %s\n' "$log" >&2
    exit 3
  }
  printf '%s\n' "$ray_package" >"$root/.ray/package"
fi
exec "$root/.ray/bin/python" "$folder/speak_cluster.py" "$@"
