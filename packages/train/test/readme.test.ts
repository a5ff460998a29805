import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

it('the example of the README runs', () => {
  const packageRoot = resolve(import.meta.dirname, '..');
  const [, example] = /```ts\n(.*?)```/s.exec(readFileSync(join(packageRoot, 'README.md'), 'utf8'))!;
  // Inside of the package, so that its dependencies are found.
  const folder = mkdtempSync(join(packageRoot, 'test', 'readme-'));
  try {
    writeFileSync(
      join(folder, 'example.mts'),
      example!.replaceAll("'@lpr/train'", `'${join(packageRoot, 'src/index.ts')}'`),
    );
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['--import', import.meta.resolve('tsx'), 'example.mts'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(Number.parseFloat(stdout)).toBeLessThan(Math.log(50));
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 60_000);
