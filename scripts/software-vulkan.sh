#!/usr/bin/env bash
# Finds or installs a software Vulkan, so that WebGPU runs without a GPU, and prints the environment to set:
#
#   eval "$(scripts/software-vulkan.sh)"
#
# Lavapipe of Mesa 25 or newer is taken where the system has it; on Debian 12, whose Mesa 22 does not work, the
# one from bookworm-backports is unpacked into the cache, beside the system's and without touching it; then
# SwiftShader, which comes with Chromium. Each is tried on a product before it is taken. Exits with 3 where
# there is none to be had. Needs the build (npm ci); --no-install only looks.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${TOKENWORK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tokenwork}/software-vulkan
install=1
[ "${1:-}" = --no-install ] && install=0

say() { printf 'software-vulkan: %s\n' "$*" >&2; }
can_install() { [ "$install" = 1 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
apt_install() {
  can_install || return 1
  say "installing $*"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return
  apt-get update -qq >/dev/null 2>&1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

# works ICD [LIBRARY_FOLDER]: whether WebGPU opens with that driver and multiplies rightly.
works() {
  env VK_DRIVER_FILES="$1" VK_ICD_FILENAMES="$1" \
    ${2:+LD_LIBRARY_PATH="$2${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"} \
    timeout 180 node "$root/dist/engines/onnx/gpu/probe-device.js" webgpu 2>/dev/null |
    grep -q '^tokenwork-probe:{"error":null'
}

# take NAME ICD [LIBRARY_FOLDER]: prints the environment and ends, if it works.
take() {
  [ -f "$2" ] || return 1
  if ! works "$2" "${3:-}"; then
    say "$1 at $2 does not work"
    return 1
  fi
  say "$1 at $2"
  printf 'export VK_DRIVER_FILES=%q VK_ICD_FILENAMES=%q\n' "$2" "$2"
  [ -z "${3:-}" ] || printf 'export LD_LIBRARY_PATH=%q\n' "$3${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  exit 0
}

# recent ICD: whether it is of Mesa 25 or newer, which is when lavapipe came to Vulkan 1.4.
recent() { grep -Eq '"api_version": *"1\.([4-9]|[1-9][0-9])' "$1"; }

lavapipe_of_system() {
  local icd
  for icd in /usr/share/vulkan/icd.d/lvp_icd*.json /etc/vulkan/icd.d/lvp_icd*.json; do
    if [ -f "$icd" ] && recent "$icd"; then take 'lavapipe of this system' "$icd"; fi
  done
}

lavapipe_in_cache() {
  local library="$cache/usr/lib/$(uname -m)-linux-gnu/libvulkan_lvp.so"
  [ -f "$library" ] || return 1
  printf '{"file_format_version":"1.0.0","ICD":{"library_path":"%s","api_version":"1.4.305"}}\n' "$library" \
    >"$cache/lvp_icd.json"
  take 'lavapipe from bookworm-backports' "$cache/lvp_icd.json"
}

# Package lists and packages of their own: the system's sources stay as they are, and no root is needed.
fetch_backport() {
  [ "$install" = 1 ] && command -v apt-get >/dev/null || return 1
  grep -q '^VERSION_CODENAME=bookworm' /etc/os-release 2>/dev/null || return 1
  local apt="$cache/apt" archive options
  # From where this system takes its own packages.
  archive=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(SITE)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "bookworm" && $2 == "main" { print $3; exit }')
  [ -n "$archive" ] || { say 'apt names no archive of bookworm'; return 1; }
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/packages" || return 1
  printf 'deb [signed-by=%s] %s bookworm-backports main\n' \
    /usr/share/keyrings/debian-archive-keyring.gpg "$archive" >"$apt/sources.list"
  options=(-o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=-
    -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt" -o Dir::Cache::Archives="$apt/archives"
    -o APT::Sandbox::User=)
  say 'downloading mesa-vulkan-drivers from bookworm-backports'
  apt-get "${options[@]}" -qq update >/dev/null 2>&1 &&
    (cd "$apt/packages" && apt-get "${options[@]}" -qq download mesa-vulkan-drivers/bookworm-backports >/dev/null 2>&1) &&
    dpkg-deb -x "$apt"/packages/mesa-vulkan-drivers_*.deb "$cache" || return 1
  if ldd "$cache"/usr/lib/*/libvulkan_lvp.so | grep -q 'not found'; then
    apt_install libllvm15 libdrm2 libelf1 libexpat1 libwayland-client0 libx11-xcb1 libxcb-dri3-0 \
      libxcb-present0 libxcb-randr0 libxcb-shm0 libxcb-sync1 libxcb-xfixes0 libxshmfence1 libzstd1
  fi
}

swiftshader() {
  local folder
  for folder in /usr/lib/chromium /usr/lib/chromium-browser /opt/google/chrome /opt/chromium; do
    # Chromium brings a loader too, where the system has none.
    if ldconfig -p | grep -q 'libvulkan\.so\.1'; then
      take SwiftShader "$folder/vk_swiftshader_icd.json"
    else
      take SwiftShader "$folder/vk_swiftshader_icd.json" "$folder"
    fi
  done
}

[ -f "$root/dist/engines/onnx/gpu/probe-device.js" ] || { say 'build first: npm ci'; exit 2; }
ldconfig -p | grep -q 'libvulkan\.so\.1' || apt_install libvulkan1 || say 'no Vulkan loader (libvulkan1)'
lavapipe_of_system
lavapipe_in_cache
fetch_backport && lavapipe_in_cache
swiftshader
apt_install mesa-vulkan-drivers && lavapipe_of_system
apt_install chromium && swiftshader
say 'no software Vulkan to be had: install mesa-vulkan-drivers of Mesa 25 or newer, or Chromium'
exit 3
