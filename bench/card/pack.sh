#!/usr/bin/env bash
# Packs this checkout for a Linux machine (x86-64) with a GPU that has neither Node nor a network:
#
#   bench/card/pack.sh FOLDER
#
# FOLDER then holds lpr.tar.xz (the sources, the packages that they need, Node, the loaders of graphics drivers) and run.sh. Copy it there, and
# run `FOLDER/run.sh`, which measures the card and tests the GPU device on it.
set -euo pipefail
if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
if [ ! -f "$root/packages/tensor/src/devices/wasm/generated/kernels.wasm" ]; then
  echo "error: $root has no compiled kernels; run \"pnpm build\" in it first" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/lpr" "$work/bin" "$work/lib"

# What only builds, checks, draws or is compared on a CPU, and other systems' binaries.
skipped=(./.git ./.turbo ./runs './packages/*/dist' './apps/*/dist' '*.map' '*.d.ts' '*.d.mts' '*.d.cts')
for name in @biomejs @napi-rs @oxlint @stryker @tensorflow @turbo assemblyscript binaryen echarts jax-js @jax-js onnxruntime oxlint playwright rxjs \
  tokenizers typescript @typescript typedoc; do
  skipped+=("./node_modules/.pnpm/$name*")
done
for other in darwin win32 linux-arm64; do skipped+=("./node_modules/.pnpm/webgpu@*/node_modules/webgpu/dist/$other*"); done
tar cf - -C "$root" "${skipped[@]/#/--exclude=}" . | tar xf - -C "$work/lpr"

cp "$(readlink -f "$(command -v node)")" "$work/bin/node"
strip "$work/bin/node" 2>/dev/null || true
# Found by the driver where the machine has none of its own.
for name in libvulkan.so.1 libEGL.so.1 libGLdispatch.so.0 libOpenGL.so.0 libGL.so.1 libGLX.so.0 libGLESv2.so.2; do
  path=$(ldconfig -p | awk -v name="$name" '$1 == name && /x86-64/ { print $NF; exit }')
  if [ -n "$path" ]; then cp -L "$path" "$work/lib"; else echo "warning: $name is not here (Debian: libvulkan1 libegl1 libgl1 libgles2)" >&2; fi
done

XZ_OPT='-T0 -5' tar cJf "$out/lpr.tar.xz.part" -C "$work" lpr bin lib
mv "$out/lpr.tar.xz.part" "$out/lpr.tar.xz"
cp "$root/bench/card/run.sh" "$out"
ls -sh "$out"
