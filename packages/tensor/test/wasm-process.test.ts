/**
 * The wasm device as a program of its own meets it: what keeps the process alive, and kernels that do not fit their
 * sources.
 */
import { execFile } from 'node:child_process';
import { appendFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const packageFolder = fileURLToPath(new URL('..', import.meta.url));
const run = async (code: string, folder = packageFolder): Promise<string> => {
  const index = pathToFileURL(join(folder, 'src/devices/wasm/index.ts')).href;
  const program = `import { createWasmDevice } from '${index}'; ${code}`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', program],
    { cwd: packageFolder, timeout: 60_000 },
  );
  return stdout;
};

it('an idle device does not keep the process alive', { timeout: 60_000 }, async () => {
  const output = await run(`
    const device = await createWasmDevice({ threads: 2 });
    const x = device.allocate(1);
    device.write(x, Float32Array.of(5));
    await device.synchronize();
    console.log('end of program', device.threads);`);
  expect(output).toBe('end of program 2\n');
});

it('a read keeps the process alive until it resolves', { timeout: 60_000 }, async () => {
  const output = await run(`
    const device = await createWasmDevice({ threads: 2 });
    const x = device.allocate(2 ** 22);
    device.kernels.fill({ out: x, value: 1, count: 2 ** 22, integer: false });
    for (let i = 0; i < 20; i++) device.kernels.unary({ op: 'tanh', x, out: x, count: 2 ** 22 });
    console.log(new Float32Array(await device.read(x)).length);`);
  expect(output).toBe(`${2 ** 22}\n`);
});

it('refuses kernels that were compiled from other sources', { timeout: 60_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'lpr-kernels-'));
  try {
    for (const part of ['src', 'scripts', 'package.json']) {
      await cp(join(packageFolder, part), join(folder, part), { recursive: true });
    }
    const program = 'console.log((await createWasmDevice({ threads: 0 })).kind);';
    expect(await run(program, folder)).toBe('wasm\n');
    await appendFile(join(folder, 'src/devices/wasm/commands/norm.ts'), '\n');
    await expect(run(program, folder)).rejects.toThrow(/kernels\S*\.wasm are not those of .*"pnpm run kernels"/);
    await rm(join(folder, 'src/devices/wasm/assembly'), { recursive: true });
    expect(await run(program, folder), 'without sources').toBe('wasm\n');
  } finally {
    await rm(folder, { recursive: true });
  }
});
