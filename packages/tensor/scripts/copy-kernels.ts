/** Copies what tsc does not compile, the kernels and the worker, from `src/devices/wasm/` into `dist/`. */
import { cp } from 'node:fs/promises';

for (const name of ['generated/kernels.wasm', 'generated/kernels-relaxed.wasm', 'worker.mjs']) {
  await cp(`src/devices/wasm/${name}`, `dist/devices/wasm/${name}`);
}
