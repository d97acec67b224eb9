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
if grep -E '\.test\.|test-support|/testing/|^package/(src|scripts|\.ci|dist/bench)/' <<< "$listing"; then
  echo 'These belong into no package.'
  exit 1
fi
echo "$tarball: $(wc -l <<< "$listing") files, $(du -k "$work/$tarball" | cut -f1) KiB"

mkdir "$work/project"
cd "$work/project"
export npm_config_cache="$work/npm-cache" TOKENWORK_CACHE="$work/models"
# The installer of onnxruntime-node would download its CUDA libraries where there is a CUDA; a user says so likewise.
export ONNXRUNTIME_NODE_INSTALL=skip
npm init --yes > /dev/null
npm pkg set type=module
npm install --no-audit --no-fund "$work/$tarball"

# The folder is a repository of the user's own, whose commit is none of tokenwork's.
git init --quiet && git -c user.name=user -c user.email=user@localhost commit --quiet --allow-empty --message start
npx tokenwork bench --suite ci --device cpu --quiet --out ci.json > /dev/null
grep -Eq '"commit": ?null' ci.json || { echo 'The result names a commit that is not tokenwork’s.'; exit 1; }
cp "$root"/bench/examples/*.js .
node measure.js measured.json
node who-overpays.js ci.json ci.html
[ "$(head -c 15 ci.html)" = '<!doctype html>' ] || { echo 'The example wrote no page.'; exit 1; }
node count-and-compare.js ci.json ci.json
