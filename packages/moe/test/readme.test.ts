import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { routerMethods, routerTraits } from '../src/index.ts';

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
  const printed = log.mock.calls.map(([first]: unknown[]) => first);
  log.mockRestore();
  const losses = printed.slice(0, 3).map((line) => Number(String(line).split('loss ')[1]));
  expect(losses[2]).toBeLessThan(0.12);
  expect(losses[0]).toBeGreaterThan(losses[2]!);
  const load = Array.from(printed[3] as Int32Array);
  expect(load.reduce((a, b) => a + b)).toBe(8192);
  // The bias has balanced it: half of the uniform share and twice as much are bounds.
  expect(load).toHaveLength(16);
  expect(Math.min(...load)).toBeGreaterThan(256);
  expect(Math.max(...load)).toBeLessThan(1024);
});

it('has a table that says what is true of every method', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const rows = [...readme.matchAll(/^\| `(\w+)` +\|.*\| (yes|no) +\| (yes|no) +\|$/gm)].map((row) => row.slice(1));
  const expected = Object.values(routerMethods).map(({ defaults }) => {
    const { reads, alike } = routerTraits(defaults);
    return [defaults.kind, reads.training === 'batch' ? 'no' : 'yes', alike ? 'yes' : 'no'];
  });
  expect(rows.sort()).toEqual(expected.sort());
});
