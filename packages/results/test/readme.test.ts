import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';

it('the snippet of the README prints what it says', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const snippet = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const said = [...snippet.matchAll(/^\/\/ (\|.*)$/gm)].map(([, line]) => line);
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  // Beside this file, so that its imports are found as those of any module are.
  const file = new URL('./readme-snippet.generated.ts', import.meta.url);
  writeFileSync(file, snippet);
  try {
    await import(file.href);
  } finally {
    rmSync(file);
  }
  const [printed] = log.mock.calls[0]!;
  log.mockRestore();
  expect(said).toHaveLength(4);
  expect(printed).toBe(said.join('\n'));
});
