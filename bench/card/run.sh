#!/usr/bin/env bash
# On the machine with the card, in the folder that pack.sh filled:
#
#   ./run.sh [--torch FILE] [--only host,products,attention,steps,pytorch] [--software]
#
# Measures the card (`pnpm bench gpu`, with these options) into gpu.json, and tests the GPU device on it, with what the tests say in
# conformance.log; LPR_PACK_OUT names another folder for both files.
set -uo pipefail
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0"
  exit
fi
here=$(cd "$(dirname "$0")" && pwd)
out=${LPR_PACK_OUT:-$here}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar xJf "$here/lpr.tar.xz" -C "$work" || exit 1
export PATH=$work/bin:$PATH
if ! ldconfig -p 2>/dev/null | grep -q 'libvulkan\.so\.1'; then export LD_LIBRARY_PATH=$work/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; fi
# Containers often have NVIDIA's driver where the loader does not look.
for file in /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json; do
  if [ -z "${VK_DRIVER_FILES:-}" ] && [ -f "$file" ]; then export VK_DRIVER_FILES=$file; fi
done
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$work}
arguments=("$@")
for i in "${!arguments[@]}"; do
  # A program that is named from here.
  if [ -f "${arguments[$i]}" ]; then arguments[i]=$(realpath "${arguments[$i]}"); fi
done
cd "$work/lpr" || exit 1
failed=0
node --import tsx bench/src/main.ts gpu --json "$out/gpu.json" ${arguments[@]+"${arguments[@]}"} || failed=1
tests=(packages/tensor/test/conformance.test.ts packages/tensor/test/kernels- packages/tensor/test/gpu-)
NO_COLOR=1 node node_modules/vitest/vitest.mjs run "${tests[@]}" --testTimeout=60000 --hookTimeout=60000 >"$out/conformance.log" 2>&1 || failed=1
tail -6 "$out/conformance.log"
exit $failed
