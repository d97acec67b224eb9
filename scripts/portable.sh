#!/usr/bin/env bash
# Packs tokenwork with all that it runs on into one file for a Linux host (x86-64) without network, Node or npm:
#
#   scripts/portable.sh OUT.tar.xz [--with vulkan|cuda|cuda12|webgpu]… [--node FILE] [--split SIZE] [--level N]
#
# There: tar -xJf OUT.tar.xz && tokenwork-*/tokenwork bench --suite gpu --yes
# or, for all that is to be known of a GPU host in eight minutes: tokenwork-*/measure-gpu FOLDER
#
#   --with vulkan   llama.cpp's Vulkan back end, and the Vulkan loader for hosts without one
#   --with cuda     llama.cpp's back end for CUDA 13; cuda12 that for CUDA 12, and ONNX Runtime's provider where that is
#                   installed. NVIDIA's own libraries are the host's
#   --with webgpu   the Vulkan loader, which is all that ONNX Runtime's WebGPU lacks
#   --node FILE     Node from an archive of its makers (node-v*-linux-x64.tar.*) in place of the one that runs
#   --split SIZE    parts of that size (60M), and says how to join them
#   --level N       of xz, 9 by default
#
# Needs the build (npm ci), a system of the same kind, and what --with names installed, or a registry to get it from.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
fail() { printf 'portable: %s\n' "$*" >&2; exit 2; }

out= node_archive= split= level=9 vulkan=0 webgpu=0 cuda=()
while [ $# -gt 0 ]; do
  case $1 in
    --with | --node | --split | --level) [ $# -gt 1 ] || fail "$1 needs a value" ;;
  esac
  case $1 in
    --with)
      case $2 in
        vulkan) vulkan=1 ;;
        webgpu) webgpu=1 ;;
        cuda) cuda+=(13) ;;
        cuda12) cuda+=(12) ;;
        *) fail "--with takes vulkan, cuda, cuda12 or webgpu, not $2" ;;
      esac
      shift 2 ;;
    --node) node_archive=$2 && shift 2 ;;
    --split) split=$2 && shift 2 ;;
    --level) level=$2 && shift 2 ;;
    -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" && exit 0 ;;
    -*) fail "there is no $1" ;;
    *) [ -z "$out" ] || fail "one file is written, not $out and $1"; out=$1 && shift ;;
  esac
done
[[ $out == *.tar.xz ]] || fail 'name the file to write, OUT.tar.xz'
[[ $level =~ ^[0-9]$ ]] || fail "--level takes 0 to 9, not $level"
[[ -z $split || $split =~ ^[1-9][0-9]*[KMG]$ ]] || fail "--split takes a size such as 60M, not $split"
[ "$(uname -sm)" = 'Linux x86_64' ] || fail "it packs what is installed here, for Linux on x86-64, and this is $(uname -sm)"
[ -f "$root/dist/cli/main.js" ] || fail 'build first: npm ci'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(node -p 'require(process.argv[1]).version' "$root/package.json")
bundle=$work/tokenwork-$version-linux-x64
app=$bundle/app
mkdir -p "$app" "$bundle/bin" "$bundle/lib" "$bundle/launch" "$bundle/licences"

# package_of DEVICE [CUDA]: the folder of its libraries. ensure_package fetches what lacks.
package_of() { # DEVICE CUDA
  node --input-type=module -e '
    const [root, device, cuda] = process.argv.slice(1);
    const { installedPackage, thisInstallation, LLAMA_VERSION } = await import(`${root}/dist/engines/llama/packages.js`);
    const found = installedPackage(device, thisInstallation(), Number(cuda));
    if (found?.version === LLAMA_VERSION) console.log(found.bins);
  ' "$root" "$1" "${2:-13}"
}
ensure_package() { # DEVICE CUDA
  [ -n "$(package_of "$@")" ] && return
  node --input-type=module -e '
    const [root, device, cuda] = process.argv.slice(1);
    const { packageCache, packageFor, LLAMA_VERSION } = await import(`${root}/dist/engines/llama/packages.js`);
    console.log(packageCache());
    console.log(`${packageFor(device, "linux", "x64", Number(cuda))}@${LLAMA_VERSION}`);
  ' "$root" "$1" "${2:-13}" | {
    read -r folder
    read -r package
    mkdir -p "$folder"
    cd "$folder" && npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts --loglevel error "$package" >&2
  }
  [ -n "$(package_of "$@")" ] || fail "llama.cpp's package for $1 is not installed, and could not be"
}

# tokenwork itself, as npm packs it, and what it depends on, as it is installed here.
(cd "$root" && tar -cf - $(npm pack --dry-run --json --ignore-scripts 2>/dev/null |
  node -p 'JSON.parse(require("fs").readFileSync(0, "utf8"))[0].files.map(({ path }) => path).join("\n")')) | tar -xf - -C "$app"
# What measures a GPU host with one command is none of the package.
# Its types are checked elsewhere, beside the support of tests, which no build of the package has.
(cd "$root" && npx tsc -p tsconfig.bench.json --noCheck) || fail 'what measure-gpu runs does not build'
mkdir -p "$app/dist/bench"
cp -r "$root/dist/bench/self" "$app/dist/bench/"
commit=$(git -C "$root" describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null || true)
node -e '
  const { readFileSync, writeFileSync } = require("fs");
  const [file, gitHead] = process.argv.slice(1);
  const { name, version, license, type, imports, dependencies } = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ name, version, license, type, imports, dependencies, gitHead }, null, 2));
' "$app/package.json" "$commit"
(cd "$root" && npm ls --omit=dev --omit=peer --all --parseable 2>/dev/null | sed -n "s|^$root/||p" | sort -u) > "$work/packages"
# Nothing here needs these: onnxruntime-web is for browsers, sharp for images, nice for pools that
# ask for priorities; the types are for compilers.
while read -r package; do
  case $package in
    node_modules/*/node_modules/*) continue ;; # Comes with the folder around it.
    */onnxruntime-web | */sharp | */@img/* | */@types/* | */type-fest | */undici-types | */adm-zip | */global-agent | */@napi-rs/*) continue ;;
  esac
  mkdir -p "$app/$(dirname "$package")"
  cp -r "$root/$package" "$app/$(dirname "$package")/"
done < "$work/packages"
mkdir -p "$app/node_modules/sharp"
echo '{ "name": "sharp", "version": "0.0.0", "license": "MIT", "type": "module", "exports": "./index.js", "description": "stands in for sharp, as tokenwork reads no images" }' > "$app/node_modules/sharp/package.json"
echo 'export default () => { throw new Error("tokenwork reads no images"); };' > "$app/node_modules/sharp/index.js"

modules=$app/node_modules
find "$modules" -type d \( -name .bin -o -name test -o -name tests -o -name docs -o -name doc -o -name examples -o -name benchmark -o -name '.github' \) -prune -exec rm -rf {} +
find "$app" -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' -o -name '*.ts' -o -name '*.tsbuildinfo' \) -delete
find "$modules" -type f -iname '*.md' ! -iname 'licen*' -delete
find "$modules/onnxruntime-node/bin/napi-v6" -mindepth 1 -maxdepth 2 ! -path '*/linux' ! -path '*/linux/x64' -prune -exec rm -rf {} +
rm -rf "$modules"/onnxruntime-node/script "$modules"/@koromix/koffi-linux-x64/musl_x64 "$modules"/koffi/vendor \
  "$modules"/echarts/{dist,build,i18n,theme,extension,extension-src,ssr,types,src} "$modules"/zrender/{dist,build,src} \
  "$modules"/zod/src "$modules"/@huggingface/*/src "$modules"/@huggingface/transformers/types \
  "$modules"/protobufjs/{dist,cli,google} "$modules"/hdr-histogram-js/{benchmark,assembly,src} "$modules"/csv-parse/dist "$modules"/csv-parse/lib/browser
find "$modules/koffi" -type f ! -name '*.js' ! -name '*.cjs' ! -name '*.json' ! -name 'LICENSE*' -delete
find "$modules/@huggingface/transformers/dist" -type f ! -name transformers.node.mjs -delete
case " ${cuda[*]-} " in *' 12 '*) ;; *) find "$modules/onnxruntime-node" -name 'libonnxruntime_providers_*' -delete ;; esac

# llama.cpp: the CPU's package, without what is for Node's own binding; of a GPU's its back end, which is loaded into that.
rm -rf "$modules/@node-llama-cpp"
add_llama() { # NAME BINS FILE…: the files of a package, with its licence
  local name=$1 bins=$2
  shift 2
  local source=${bins%/bins/*} target=$modules/@node-llama-cpp/$name
  mkdir -p "$target/bins/${bins##*/}"
  cp "$source/package.json" "$source/LICENSE" "$target/"
  (cd "$bins" && cp --parents "$@" "$target/bins/${bins##*/}/")
}
ensure_package cpu
bins=$(package_of cpu)
add_llama linux-x64 "$bins" $(cd "$bins" && ls | grep -E '^lib(ggml|llama\.)')
needs_vulkan=$((vulkan | webgpu))
if [ "$vulkan" = 1 ]; then
  ensure_package vulkan
  add_llama linux-x64-vulkan "$(package_of vulkan)" libggml-vulkan.so
fi
for major in ${cuda[@]+"${cuda[@]}"}; do
  ensure_package cuda "$major"
  if [ "$major" = 13 ]; then add_llama linux-x64-cuda "$(package_of cuda)" libggml-cuda.so
  else add_llama linux-x64-cuda-ext "$(package_of cuda 12)" fallback/libggml-cuda.so; fi
done

# Node
if [ -n "$node_archive" ]; then
  mkdir "$work/node"
  tar -xf "$node_archive" -C "$work/node" --strip-components=1
  cp "$work/node/bin/node" "$bundle/bin/node"
  cp "$work/node/LICENSE" "$bundle/licences/node"
else
  own=$(node -p 'require("fs").realpathSync(process.execPath)')
  cp "$own" "$bundle/bin/node"
  licence=
  for licence in "${own%/bin/node}/LICENSE" /usr/share/doc/nodejs/copyright /usr/share/doc/nodejs/LICENSE; do [ -f "$licence" ] && break; done
  if [ -f "$licence" ]; then cp "$licence" "$bundle/licences/node"
  else echo 'Node.js is under the MIT licence; those of what it holds are in its repository, in the file LICENSE of this version.' > "$bundle/licences/node"; fi
fi
chmod u+w "$bundle/bin/node"
if command -v strip > /dev/null; then strip --strip-unneeded "$bundle/bin/node"; fi
"$bundle/bin/node" -e 0 || fail 'the Node that is to be packed does not run here'

# Libraries of this system that a bare host may lack.
system_library() { # NAME FOLDER PACKAGE
  local file
  file=$(ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ { print $NF; exit }')
  [ -n "$file" ] || return 1
  mkdir -p "$bundle/lib/$2"
  cp -L "$file" "$bundle/lib/$2/$1"
  if [ -f "/usr/share/doc/$3/copyright" ]; then cp -L "/usr/share/doc/$3/copyright" "$bundle/licences/$1"; fi
}
system_library libstdc++.so.6 stdcxx libstdc++6 || fail 'this system has no libstdc++.so.6'
system_library libgcc_s.so.1 stdcxx libgcc-s1 || fail 'this system has no libgcc_s.so.1'
[ "$needs_vulkan" = 0 ] || system_library libvulkan.so.1 vulkan libvulkan1 ||
  fail 'this system has no Vulkan loader to pack: install libvulkan1 (scripts/software-vulkan.sh does)'

# The newest symbols that each part asks for, from the names in the files.
newest() { # PREFIX FILE…
  local prefix=$1
  shift
  cat "$@" | grep -aoE "${prefix}_[0-9]+(\.[0-9]+)+" | sort -uV | tail -n 1 | cut -d_ -f2
}
mapfile -t llama_files < <(find "$modules/@node-llama-cpp" -name '*.so')
glibc=$(newest GLIBC "$bundle/bin/node" "$modules/onnxruntime-node/bin/napi-v6/linux/x64"/* "$modules"/@koromix/*/*/koffi.node)
llama_glibc=$(newest GLIBC "${llama_files[@]}")
stdcxx_glibc=$(newest GLIBC "$bundle"/lib/stdcxx/*)
symbols=$(newest GLIBCXX "${llama_files[@]}")
printf '{ "llama": "%s", "stdcxx": "%s", "symbols": "%s", "vulkan": %s }\n' \
  "$llama_glibc" "$stdcxx_glibc" "$symbols" "$([ "$needs_vulkan" = 1 ] && echo true || echo false)" > "$bundle/launch/needs.json"
cp "$root/scripts/portable/settings.mjs" "$bundle/launch/"
sed "s/@GLIBC@/$glibc/" "$root/scripts/portable/tokenwork" > "$bundle/tokenwork"
cp "$root/scripts/portable/measure-gpu" "$bundle/"
chmod 755 "$bundle/tokenwork" "$bundle/measure-gpu" "$bundle/bin/node"
cp "$root/LICENSE" "$bundle/LICENSE"

{
  printf 'tokenwork %s%s, packed for Linux on x86-64 (LICENSE), with what it runs on:\n\n' "$version" "${commit:+ ($commit)}"
  printf '%s  Node.js, licences/node\n' "$("$bundle/bin/node" --version)"
  for file in "$bundle"/licences/lib*; do [ -f "$file" ] && printf '%s of %s, licences/%s\n' "$(basename "$file")" "$(. /etc/os-release && echo "$PRETTY_NAME")" "$(basename "$file")"; done
  node -e '
    const { existsSync, readdirSync, readFileSync } = require("fs");
    const { join } = require("path");
    const [app] = process.argv.slice(1);
    const visit = (folder) => {
      if (!existsSync(folder)) return;
      for (const name of readdirSync(folder).sort()) {
        const at = join(folder, name);
        if (name.startsWith("@")) visit(at);
        else if (existsSync(join(at, "package.json"))) {
          const { name: own, version, license } = JSON.parse(readFileSync(join(at, "package.json"), "utf8"));
          const text = readdirSync(at).find((file) => /^(licen[cs]e|copying|notice)/i.test(file));
          console.log(`${own} ${version}  ${license}${text ? `, ${join(at, text).slice(app.length - 3)}` : ""}`);
          visit(join(at, "node_modules"));
        }
      }
    };
    visit(join(app, "node_modules"));
  ' "$app"
} > "$bundle/NOTICE"

mkdir -p "$(dirname "$out")"
echo "Packing $(du -sm "$bundle" | cut -f1) MB …" >&2
SOURCE_DATE=$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)
tar --sort=name --mtime="@$SOURCE_DATE" --owner=0 --group=0 --numeric-owner -C "$work" -cf - "$(basename "$bundle")" |
  xz "-$level" -T2 > "$work/out.tar.xz"
mv "$work/out.tar.xz" "$out"
(cd "$(dirname "$out")" && sha256sum "$(basename "$out")" > "$(basename "$out").sha256")

part() { printf '%8.1f MB  %s\n' "$(du -sk "$@" | awk '{ sum += $1 } END { print sum / 1024 }')" "$label"; }
label='Node' part "$bundle/bin"
label='ONNX Runtime' part "$modules/onnxruntime-node"
label='llama.cpp' part "$modules"/@node-llama-cpp/linux-x64
for folder in "$modules"/@node-llama-cpp/linux-x64-*; do [ -d "$folder" ] && label="llama.cpp, back end for ${folder##*-x64-}" part "$folder"; done
label='system libraries' part "$bundle/lib"
label='other packages' part $(find "$modules" -mindepth 1 -maxdepth 1 ! -name onnxruntime-node ! -name @node-llama-cpp)
label='tokenwork' part $(find "$app" -mindepth 1 -maxdepth 1 ! -name node_modules)
printf '%8.1f MB  %s, SHA-256 in %s.sha256\n' "$(stat -c %s "$out" | awk '{ print $1 / 1048576 }')" "$out" "$out"
echo "Runs where glibc is $glibc or newer; llama.cpp from $llama_glibc, and with GLIBCXX_$symbols of the host or the bundle's, which needs glibc $stdcxx_glibc."

if [ -n "$split" ]; then
  split --bytes="$split" --numeric-suffixes=1 "$out" "$out.part-"
  rm "$out"
  ls -l "$out".part-* | awk '{ print $5, $NF }'
  name=$(basename "$out")
  echo "Join them there: cat $name.part-* > $name && sha256sum -c $name.sha256"
fi
echo "Then: tar -xJf $(basename "$out") && $(basename "$bundle")/tokenwork doctor"
