/** Compiles `assembly/` twice, side by side: with plain SIMD and with relaxed SIMD, into `src/devices/wasm/generated/`. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

const compiler = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');
const outDir = 'src/devices/wasm/generated';
const binaries = [
  { name: 'kernels', features: 'simd,threads,bulk-memory' },
  { name: 'kernels-relaxed', features: 'simd,threads,bulk-memory,relaxed-simd' },
];

await mkdir(outDir, { recursive: true });
await Promise.all(
  binaries.map(async ({ name, features }) => {
    const options = [
      `--outFile ${outDir}/${name}.wasm`,
      `--enable ${features}`,
      '--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536',
      '--runtime stub --noAssert -O3 --converge',
    ];
    const words = options.flatMap((option) => option.split(' '));
    await promisify(execFile)(process.execPath, [compiler, 'assembly/index.ts', ...words]);
  }),
);
