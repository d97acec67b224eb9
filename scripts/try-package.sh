#!/usr/bin/env bash
# Packs tokenwork and uses it as a stranger would: installs the tarball into an empty folder with an empty npm
# cache, measures, and runs the examples, which import the package by its name.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Types and sources of what is tested, or notes of how it was made, are nothing that a user runs.
tarball=$(cd "$root" && npm pack --silent --pack-destination "$work" | tail -n 1)
listing=$(tar -tzf "$work/$tarball")
for wanted in LICENSE README.md CHANGELOG.md dist/index.d.ts dist/cli/main.js bench/suites/ci.json models/tiny.json; do
  grep -qx "package/$wanted" <<< "$listing" || { echo "The package lacks $wanted"; exit 1; }
done
# Of scripts only the one that runs where the package is installed.
if grep -vx package/scripts/skip-cuda-download.js <<< "$listing" |
  grep -E '\.test\.|test-support|/testing/|^package/(src|scripts|\.ci|dist/bench)/'; then
  echo 'These belong into no package.'
  exit 1
fi
echo "$tarball: $(wc -l <<< "$listing") files, $(du -k "$work/$tarball" | cut -f1) KiB"

mkdir "$work/project"
cd "$work/project"
export npm_config_cache="$work/npm-cache" TOKENWORK_CACHE="$work/models"
# `npm run` passes the clone's .npmrc on, which no user has.
unset npm_config_onnxruntime_node_install ONNXRUNTIME_NODE_INSTALL ONNXRUNTIME_NODE_INSTALL_CUDA
without_cuda() { # without_cuda FOLDER: fails where the installer of onnxruntime-node fetched what is not in its package
  ! find "$1" -name 'libonnxruntime_providers_*' | grep . || { echo 'The installation downloaded libraries of CUDA.'; return 1; }
}
npm init --yes > /dev/null
npm pkg set type=module
npm install --no-audit --no-fund "$work/$tarball"
without_cuda .
echo "Installed: $(du -sm node_modules | cut -f1) MiB"

# The folder is a repository of the user's own, whose commit is none of tokenwork's.
git init --quiet && git -c user.name=user -c user.email=user@localhost commit --quiet --allow-empty --message start
npx tokenwork bench --suite ci --device cpu --quiet --out ci.json > /dev/null
grep -Eq '"commit": ?null' ci.json || { echo 'The result names a commit that is not tokenwork’s.'; exit 1; }
cp "$root"/bench/examples/*.js .
node measure.js measured.json
node who-overpays.js ci.json ci.html
[ "$(head -c 15 ci.html)" = '<!doctype html>' ] || { echo 'The example wrote no page.'; exit 1; }
node count-and-compare.js ci.json ci.json

# For all projects of a user. Of a git address npm takes no package that has to be built into a global installation, but
# it packs one: the same files.
npm install --global --prefix "$work/global" --no-audit --no-fund "$work/$tarball"
without_cuda "$work/global"
[ "$("$work/global/bin/tokenwork" --version)" = "$(node -p "require('$root/package.json').version")" ]
mkdir "$work/git" && cd "$work/git"
packed=$(npm pack --silent "git+file://$root" | tail -n 1)
diff <(sort <<< "$listing") <(tar -tzf "$packed" | sort) || { echo 'Packed from git it holds other files.'; exit 1; }
