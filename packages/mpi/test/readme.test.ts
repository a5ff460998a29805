import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

it('the example of the README runs', () => {
  const packageRoot = resolve(import.meta.dirname, '..');
  const [, example] = /```ts\n(.*?)```/s.exec(readFileSync(join(packageRoot, 'README.md'), 'utf8'))!;
  const folder = mkdtempSync(join(packageRoot, 'test', 'readme-'));
  try {
    const source = example!.replaceAll("'@lpr/mpi'", `'${join(packageRoot, 'src/index.ts')}'`);
    writeFileSync(join(folder, 'example.mts'), source);
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), 'example.mts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('0 1\n[ 11, 22 ]\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
