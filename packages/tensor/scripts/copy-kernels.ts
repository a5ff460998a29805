/** Copies what tsc does not compile, the kernels and the worker, from `src/devices/wasm/` into `dist/`. */
import { copyFile, mkdir, rename } from 'node:fs/promises';

await mkdir('dist/devices/wasm/generated', { recursive: true });
for (const name of ['generated/kernels.wasm', 'generated/kernels-relaxed.wasm', 'worker.mjs']) {
  const copy = `dist/devices/wasm/${name}`;
  // Whoever runs the package meanwhile sees the old file or the new one, whole.
  await copyFile(`src/devices/wasm/${name}`, `${copy}.new`);
  await rename(`${copy}.new`, copy);
}
