#!/usr/bin/env bash
# Fetches llama-bench and llama-server of Debian sid, beside the system and without touching it, and prints the
# folder of two programs that start them with their own C library:
#
#   tools=$(scripts/llama-tools.sh) && "$tools/llama-bench" -m model.gguf
#
# tokenwork's own benchmarks are held against llama-bench by it. Packages are taken from where this system takes its
# own, into the cache; no root is needed. Exits with 3 where they cannot be had; --no-install only looks.
set -uo pipefail
cache=${TOKENWORK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tokenwork}/llama-tools
bin=$cache/bin
say() { printf 'llama-tools: %s\n' "$*" >&2; }

works() { [ -x "$bin/llama-bench" ] && "$bin/llama-bench" --help >/dev/null 2>&1; }

starter() { # starter NAME LIBRARIES: a program that runs NAME with the libraries it came with
  cat >"$bin/$1" <<SCRIPT
#!/bin/sh
exec "$2/$(basename "$(find "$2" -maxdepth 1 -name 'ld-linux-*.so.*' -print -quit)")" --library-path "$2:$2/llama" "$cache/root/usr/bin/$1" "\$@"
SCRIPT
  chmod +x "$bin/$1"
}

fetch() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { say 'no apt here'; return 1; }
  local apt="$cache/apt" archive options
  archive=$(apt-get indextargets --format '$(COMPONENT) $(SITE)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "main" { print $2; exit }')
  [ -n "$archive" ] || { say 'apt names no archive'; return 1; }
  mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$cache/root" "$bin" || return 1
  printf 'deb [signed-by=%s] %s sid main\n' \
    /usr/share/keyrings/debian-archive-keyring.gpg "$archive" >"$apt/sources.list"
  # Nothing counts as installed, so that the C library comes along.
  : >"$apt/status"
  options=(-o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=-
    -o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt"
    -o Dir::Cache::Archives="$apt/archives" -o APT::Sandbox::User= -o Debug::NoLocking=1)
  say 'downloading llama.cpp-tools from sid (20 MB)'
  apt-get "${options[@]}" -qq update >/dev/null 2>&1 &&
    apt-get "${options[@]}" -qq install -y --no-install-recommends --download-only llama.cpp-tools >/dev/null 2>&1 ||
    return 1
  local package
  for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$cache/root" || return 1; done
  local libraries
  libraries=$(dirname "$(find "$cache/root" -name 'libllama.so.0' -print -quit)")
  # Back ends are looked for beside the program, which is the loader here.
  ln -sf "$libraries"/ggml/backends*/*.so "$libraries/"
  starter llama-bench "$libraries" && starter llama-server "$libraries"
}

if ! works && { [ "${1:-}" = --no-install ] || ! fetch || ! works; }; then
  say 'llama.cpp-tools cannot be had here'
  exit 3
fi
printf '%s\n' "$bin"
