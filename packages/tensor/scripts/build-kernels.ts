/** Compiles `assembly/` twice (plain SIMD and relaxed SIMD) into `src/devices/wasm/generated/`. */
import { mkdir } from 'node:fs/promises';
import { main } from 'assemblyscript/asc';

const outDir = 'src/devices/wasm/generated';
await mkdir(outDir, { recursive: true });
for (const { name, features } of [
  { name: 'kernels', features: 'simd,threads,bulk-memory' },
  { name: 'kernels-relaxed', features: 'simd,threads,bulk-memory,relaxed-simd' },
]) {
  const { error, stderr } = await main([
    'assembly/index.ts',
    ...['--outFile', `${outDir}/${name}.wasm`],
    ...['--enable', features],
    ...['--runtime', 'stub'],
    ...['--importMemory', '--sharedMemory', '--maximumMemory', '65536'],
    ...['--initialMemory', '1'],
    '-O3',
    '--noAssert',
    '--converge',
  ]);
  if (error) {
    console.error(stderr.toString());
    throw error;
  }
}
