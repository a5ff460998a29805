import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';

it('runs the snippet of the README', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const snippet = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  // Beside this file, so that its imports are found as those of any module are.
  const file = new URL('./readme-snippet.generated.ts', import.meta.url);
  writeFileSync(file, snippet);
  try {
    await import(file.href);
  } finally {
    rmSync(file);
  }
  const [, [loss, terms], [bytes]] = log.mock.calls as [unknown, [number, string[]], [number]];
  log.mockRestore();
  expect(Math.abs(loss - Math.log(256))).toBeLessThan(0.2);
  expect(terms).toContain('1 alignment x 0.020000000000000004');
  expect(bytes).toBeGreaterThan(4 * 256 * 64 * 2);
});
