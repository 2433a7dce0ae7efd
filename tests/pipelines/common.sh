# Shared by the tests of this folder: a scratch folder, the plugin of the build, and checks that say what failed.
set -u -o pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
export GST_REGISTRY="$scratch/registry.bin"
export GST_PLUGIN_PATH="$root/build/gst"
failures=0

check() {  # WHAT COMMAND...
  local what="$1"
  shift
  if "$@"; then printf 'ok    %s\n' "$what"; else printf 'FAIL  %s\n' "$what"; failures=$((failures + 1)); fi
}

# A WAV file with at least so many seconds of 22050 Hz float samples that are not silent.
has_speech() {  # FILE SECONDS
  python3 - "$1" "$2" <<'PY'
import array, struct, sys
data = open(sys.argv[1], "rb").read()
assert data[:4] == b"RIFF" and data[8:12] == b"WAVE", "not a WAV file"
at, rate, bits, kind, body = 12, 0, 0, 0, b""
while at + 8 <= len(data):
    name, size = data[at:at + 4], struct.unpack("<I", data[at + 4:at + 8])[0]
    if name == b"fmt ":
        kind, _, rate, _, _, bits = struct.unpack("<HHIIHH", data[at + 8:at + 24])
    if name == b"data":
        body = data[at + 8:at + 8 + size]
    at += 8 + size + size % 2
samples = array.array("f" if bits == 32 else "h", body[:len(body) // (bits // 8) * (bits // 8)])
scale = 1 if bits == 32 else 32767
seconds, peak = len(samples) / rate, max(map(abs, samples), default=0) / scale
assert rate == 22050, f"rate {rate}"
assert seconds >= float(sys.argv[2]), f"only {seconds:.2f} s"
assert peak > 0.02, f"silent: peak {peak}"
PY
}

finish() {
  printf '%d failed\n' "$failures"
  [ "$failures" -eq 0 ]
}
