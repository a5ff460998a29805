import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { temporaryFolder, writeRun } from './runs.ts';

const before = process.cwd();
afterEach(() => process.chdir(before));

it('the snippet of the README draws a picture and prints a table of the runs', async () => {
  const folder = await temporaryFolder();
  const runs = join(folder, 'runs/compare-1');
  await writeRun(join(runs, 'lpr'), { settings: { architecture: 'qwen3-moe', router: 'lpr' } });
  const snippet = /```ts\n([\s\S]*?)```/.exec(readFileSync(resolve(import.meta.dirname, '../README.md'), 'utf8'))![1]!;
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  // Beside this file, so that its imports are found as those of any module are.
  const file = new URL('./readme-snippet.generated.ts', import.meta.url);
  writeFileSync(
    file,
    snippet
      .replaceAll("'runs/", `'${folder}/runs/`)
      .replaceAll("'load-held-out.png'", JSON.stringify(join(folder, 'load-held-out.png')))
      .replaceAll("'@lpr/report'", "'../src/index.ts'")
      .replaceAll("'@lpr/report/node'", "'../src/node.ts'"),
  );
  try {
    await import(file.href);
  } finally {
    rmSync(file);
  }
  const [[title], [range], [table]] = log.mock.calls as [[string], [{ low: number }], [string]];
  log.mockRestore();
  expect(title).toBe(/record\.title\); \/\/ (.*)/.exec(snippet)![1]);
  expect(range.low).toBeGreaterThan(0);
  expect(table).toContain('Qwen3-MoE-LPR');
  expect(existsSync(join(folder, 'load-held-out.png'))).toBe(true);
}, 120_000);
