#!/usr/bin/env bash
# Packs the portable bundle, unpacks it into an empty root folder that has a shell and the C library and nothing else,
# and measures there with an empty environment: as on a bare host. Needs root, for chroot and mounts of its own; exits
# with 0 and says so where it may not.
#
#   scripts/try-portable.sh [BUNDLE.tar.xz]
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

if [ -z "${TRY_PORTABLE_INSIDE:-}" ]; then
  if [ "$(id -u)" != 0 ] || ! unshare --mount true 2>/dev/null; then
    echo 'portable bundle: SKIPPED: it is tried in a root folder of its own, which needs root and mounts'
    exit 0
  fi
  # In a mount namespace, whose mounts end with it.
  TRY_PORTABLE_INSIDE=1 exec unshare --mount --propagation private "$0" "$@"
fi

work=$(mktemp -d)
trap 'umount "$work"/root/bundle "$work"/root/proc 2>/dev/null; rm -rf --one-file-system "$work"' EXIT
bundle=${1:-$work/tokenwork.tar.xz}
[ $# -gt 0 ] || "$root/scripts/portable.sh" "$bundle" --level 0
(cd "$(dirname "$bundle")" && sha256sum --check --quiet "$(basename "$bundle").sha256")

bare=$work/root
mkdir -p "$bare"/{bin,dev,proc,tmp,bundle}
chmod 1777 "$bare/tmp"
mknod -m 666 "$bare/dev/null" c 1 3
mount -t proc proc "$bare/proc"
cp -L "$(command -v dash || command -v sh)" "$bare/bin/sh"
# The C library in all its parts, and the loader; no libstdc++.
onnx=$root/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1
for file in $(ldd "$bare/bin/sh" "$(command -v node)" "$onnx" | grep -oE '/[^ :]+\.so[^ :]*' | grep -v node_modules | sort -u); do
  case $file in *libstdc++* | *libgcc_s*) continue ;; esac
  mkdir -p "$bare$(dirname "$file")"
  cp -L "$file" "$bare$file"
done
tar -xJf "$bundle" -C "$bare/bundle" --strip-components=1

chroot=$(command -v chroot)
inside() { timeout 300 env -i "$chroot" "$@"; }
inside "$bare" /bundle/tokenwork bench --suite ci --device cpu --quiet --out /tmp/result.json > "$work/summary"
node -e '
  const result = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
  const bad = result.requests.filter(({ outcome }) => outcome.status !== "ok");
  if (!result.run.complete || bad.length > 0 || result.requests.length === 0) throw new Error(JSON.stringify(bad));
  console.log(`${result.requests.length} requests in an empty root folder`);
' "$bare/tmp/result.json"
[ -d "$bare/bundle/cache" ] || { echo 'The models were not built beside the bundle.'; exit 1; }
# llama.cpp's libraries as well, which need more of the host than ONNX Runtime does.
cat > "$bare/tmp/gguf.json" << 'SUITE'
{
  "description": "A GGUF model on a bare host.",
  "models": [{ "model": "tiny", "dtype": "q4" }],
  "design": [{ "promptTokens": [32], "completionTokens": [8] }],
  "repetitions": 2,
  "seed": 1
}
SUITE
inside "$bare" /bundle/tokenwork bench --suite /tmp/gguf.json --engine llama --device cpu --quiet --out /tmp/gguf-result.json > /dev/null
grep -q '"complete": *true' "$bare/tmp/gguf-result.json" || { echo 'The GGUF model did not run.'; exit 1; }
inside "$bare" /bundle/measure-gpu --help > /dev/null || { echo 'measure-gpu does not start.'; exit 1; }
inside "$bare" /bundle/tokenwork report /tmp/result.json --out /tmp/result.html > /dev/null
[ "$(head -c 15 "$bare/tmp/result.html")" = '<!doctype html>' ] || { echo 'No page was written.'; exit 1; }

# Nothing that may be written but /tmp, and a user that no file lists.
mount --bind "$bare/bundle" "$bare/bundle"
mount -o remount,bind,ro "$bare/bundle"
rm -rf "$bare/tmp"/*
inside --userspec=4321:4321 "$bare" /bundle/tokenwork models build tiny > "$work/built"
grep -q '^/tmp/' "$work/built" || { echo "The model was built at $(cat "$work/built")."; exit 1; }
inside --userspec=4321:4321 "$bare" /bundle/tokenwork doctor --json > "$work/doctor.json"
node -e '
  const { backEnds } = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
  const closed = backEnds.filter(({ device, available }) => device === "cpu" && !available);
  if (closed.length > 0) throw new Error(JSON.stringify(closed));
  console.log(`read-only, as nobody: ${backEnds.map(({ name, available }) => `${name} ${available ? "opens" : "does not"}`).join("; ")}`);
' "$work/doctor.json"
