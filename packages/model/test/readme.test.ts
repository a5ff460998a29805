import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';

it('runs the snippet of the README', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const snippet = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const folder = mkdtempSync(join(tmpdir(), 'lpr-readme-'));
  // Beside this file, so that its imports are found as those of any module are.
  const file = new URL('./readme-snippet.generated.ts', import.meta.url);
  writeFileSync(file, snippet.replaceAll("'checkpoint'", JSON.stringify(folder)));
  try {
    await import(file.href);
  } finally {
    rmSync(file);
    rmSync(folder, { recursive: true });
  }
  const [[bytes], [flops], [loss, terms], ...tokens] = log.mock.calls as [[number], [number], [number, string[]]];
  log.mockRestore();
  expect(bytes).toBeGreaterThan(4 * 256 * 64 * 2);
  expect(flops).toBeGreaterThan(6 * 256 * 64);
  expect(Math.abs(loss - Math.log(256))).toBeLessThan(0.2);
  expect(terms).toContain('1 alignment x 0.020000000000000004');
  expect(tokens).toHaveLength(4);
});
