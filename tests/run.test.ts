/** `scripts/run.mjs`, which `pnpm trainer` and the like call, and mpirun by itself. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

it.skipIf(process.platform === 'win32')('a program is run from anywhere, by node alone, after its kernels', () => {
  const own = join(import.meta.dirname, '..');
  const root = mkdtempSync(join(tmpdir(), 'lpr-run-'));
  try {
    for (const folder of ['scripts', 'node_modules/.bin', 'elsewhere']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    copyFileSync(join(own, 'scripts/run.mjs'), join(root, 'scripts/run.mjs'));
    symlinkSync(join(own, 'node_modules/tsx'), join(root, 'node_modules/tsx'));
    writeFileSync(join(root, 'node_modules/.bin/turbo'), '#!/bin/sh\necho "$@" > asked\n', { mode: 0o755 });
    writeFileSync(join(root, 'elsewhere/main.mts'), 'console.log(process.argv.slice(2) satisfies string[]);\n');
    const { stdout, stderr } = spawnSync(process.execPath, ['../scripts/run.mjs', 'main.mts', 'a', 'b'], {
      cwd: join(root, 'elsewhere'),
      env: { PATH: '/usr/bin:/bin', NO_COLOR: '1' },
      encoding: 'utf8',
    });
    expect([stdout, stderr]).toEqual(["[ 'a', 'b' ]\n", '']);
    expect(readFileSync(join(root, 'asked'), 'utf8')).toBe('run kernels\n');
  } finally {
    rmSync(root, { recursive: true });
  }
});
