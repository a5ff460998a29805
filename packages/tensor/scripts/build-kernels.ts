/** Compiles `assembly/` twice (plain SIMD and relaxed SIMD) into `src/devices/wasm/generated/`. */
import { mkdir } from 'node:fs/promises';
import { main } from 'assemblyscript/asc';

const outDir = 'src/devices/wasm/generated';
await mkdir(outDir, { recursive: true });
for (const { name, features } of [
  { name: 'kernels', features: 'simd,threads,bulk-memory' },
  { name: 'kernels-relaxed', features: 'simd,threads,bulk-memory,relaxed-simd' },
]) {
  const options = [
    `--outFile ${outDir}/${name}.wasm`,
    `--enable ${features}`,
    '--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536',
    '--runtime stub --noAssert -O3 --converge',
  ];
  const { error, stderr } = await main(['assembly/index.ts', ...options.flatMap((option) => option.split(' '))]);
  if (error) {
    console.error(stderr.toString());
    throw error;
  }
}
