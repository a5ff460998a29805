/**
 * Compiles `src/devices/wasm/assembly/` twice, side by side, with plain SIMD and with relaxed SIMD, into
 * `src/devices/wasm/generated/`; before that, makes the classes through which the kernels read the words of commands.
 * Arguments, if there are any, name the binaries to compile.
 */
import { execFile } from 'node:child_process';
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { SOURCES_SECTION, sourcesDigest } from '../src/devices/wasm/sources.ts';
import { commandClasses } from './command-classes.ts';

const compiler = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');
const outDir = 'src/devices/wasm/generated';
const wanted = process.argv.slice(2);
const binaries = [
  { name: 'kernels', features: 'simd,threads,bulk-memory' },
  { name: 'kernels-relaxed', features: 'simd,threads,bulk-memory,relaxed-simd' },
].filter(({ name }) => wanted.length === 0 || wanted.includes(name));

/**
 * A custom section of a module: its number (0), then its length and that of its name, each below 128, before their
 * bytes.
 */
const text = `${SOURCES_SECTION}${await sourcesDigest()}`;
const section = Buffer.from([0, text.length + 1, SOURCES_SECTION.length, ...Buffer.from(text)]);

await mkdir(outDir, { recursive: true });
await writeFile(`${outDir}/commands.ts`, commandClasses());
await Promise.all(
  binaries.map(async ({ name, features }) => {
    const options = [
      `--outFile ${outDir}/${name}.wasm`,
      `--enable ${features}`,
      '--importMemory --sharedMemory --initialMemory 1 --maximumMemory 65536',
      '--runtime stub --noAssert -O3 --converge',
    ];
    const words = options.flatMap((option) => option.split(' '));
    await promisify(execFile)(process.execPath, [compiler, 'src/devices/wasm/assembly/index.ts', ...words]);
    await appendFile(`${outDir}/${name}.wasm`, section);
  }),
);
