#!/usr/bin/env bash
# Set-up shared by say.sh and tests/run.sh: Debian packages, LibTorch into .libtorch, configure, compile.
# Sourced, then: setup_build [NINJA_TARGET...]. Does nothing that is done already; says what it does, and nothing else.

project_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
build_dir="$project_root/build"
setup_log="$project_root/build-setup.log"

debian_packages=(
  g++ meson ninja-build pkg-config python3 python3-venv xz-utils
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-x
  gstreamer1.0-alsa gstreamer1.0-pulseaudio
  libsoundtouch-dev libebur128-dev
  libsentencepiece-dev libfst-dev libutf8proc-dev libsoxr-dev libsndfile1-dev libyaml-cpp-dev nlohmann-json3-dev
  libgtest-dev python3-gi gir1.2-gstreamer-1.0 icecast2
)
# CPU parts only: LibTorch's own libraries need no more of NVIDIA's than these two (docs/models.md, "CUDA").
python_packages=(torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)

say_step() { printf 'set-up: %s\n' "$*" >&2; }

# Runs a command with its output in the log; on failure shows the end of it and stops.
logged() {
  if ! "$@" >>"$setup_log" 2>&1; then
    tail -n 25 "$setup_log" >&2
    printf 'set-up failed: %s\nthe whole log: %s\n' "$*" "$setup_log" >&2
    exit 1
  fi
}

missing_packages() {
  local package
  for package in "${debian_packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
  done
}

install_packages() {
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      as_root=(sudo env)
    else
      printf 'These Debian packages are needed. As root, run this line, then start again:\n\n  apt-get install --no-install-recommends %s\n\n' \
        "${missing[*]}" >&2
      exit 1
    fi
  else
    as_root=(env)
  fi
  say_step "installing ${#missing[@]} Debian packages"
  logged "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get update -q
  logged "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

install_libtorch() {
  local stamp="$project_root/.libtorch/packages"
  [ "$(cat "$stamp" 2>/dev/null)" != "${python_packages[*]}" ] || return 0
  say_step "installing LibTorch into .libtorch (540 MB to download, once)"
  logged python3 -m venv "$project_root/.libtorch"
  logged "$project_root/.libtorch/bin/pip" install --no-cache-dir --no-deps --disable-pip-version-check "${python_packages[@]}"
  printf '%s\n' "${python_packages[*]}" >"$stamp"
}

configure() {  # FOLDER [MESON_OPTION...]
  local folder="$1"
  shift
  [ ! -e "$folder/build.ninja" ] || return 0
  say_step "configuring ${folder#"$project_root"/}"
  logged meson setup "$folder" "$project_root" "$@"
}

compile() {  # FOLDER [NINJA_TARGET...]
  local folder="$1"
  shift
  # A dry run tells in a moment whether there is anything to do, so that the second call stays silent.
  if ! ninja -C "$folder" -n "$@" 2>/dev/null | grep -q 'no work to do'; then
    say_step "compiling ${folder#"$project_root"/} (the first time takes some minutes)"
    logged ninja -C "$folder" "$@"
  fi
}

setup_machine() {
  # The package check takes half a second; once it has passed for this list of packages it is not repeated.
  local stamp="$build_dir/.packages"
  : >"$setup_log"
  if [ "$(cat "$stamp" 2>/dev/null)" != "${debian_packages[*]}" ]; then
    install_packages
    mkdir -p "$build_dir"
    printf '%s\n' "${debian_packages[*]}" >"$stamp"
  fi
  install_libtorch
}

setup_build() {  # [NINJA_TARGET...]
  setup_machine
  configure "$build_dir"
  compile "$build_dir" "$@"
}
