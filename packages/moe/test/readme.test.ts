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
  const [load] = log.mock.calls[0]!;
  log.mockRestore();
  expect(load).toHaveLength(16);
  expect(Array.from(load as Int32Array).reduce((a, b) => a + b)).toBe(512);
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
