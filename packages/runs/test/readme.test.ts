import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

it('the example of the README prints what it says', () => {
  const packageRoot = resolve(import.meta.dirname, '..');
  const [, example] = /```ts\n(.*?)```/s.exec(readFileSync(join(packageRoot, 'README.md'), 'utf8'))!;
  // Inside of the package, so that its dependencies are found.
  const folder = mkdtempSync(join(packageRoot, 'test', 'readme-'));
  try {
    writeFileSync(
      join(folder, 'example.mts'),
      example!.replaceAll("'@lpr/runs'", `'${join(packageRoot, 'src/index.ts')}'`),
    );
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), 'example.mts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^lpr 1 1 \[\]\n0\.61\d*\n$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
