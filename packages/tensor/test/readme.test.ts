/** The example of the README. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';

it('the tour of the README runs and prints what it says', async () => {
  const readme = await readFile(join(import.meta.dirname, '../README.md'), 'utf8');
  const snippet = /```ts\n([\s\S]*?)```/.exec(readme)![1]!;
  const folder = await mkdtemp(join(import.meta.dirname, 'tour-'));
  const log = vi.spyOn(globalThis.console, 'log').mockImplementation(() => {});
  try {
    await writeFile(join(folder, 'tour.ts'), snippet);
    await import(join(folder, 'tour.ts'));
    const [description, sum, loss] = log.mock.calls.map(([first]: unknown[]) => first);
    expect(description).toMatch(/^wasm, \d+ threads?, (relaxed )?SIMD$/);
    expect(sum).toEqual(Float32Array.of(2, 3, 4, 5));
    expect(loss).toBeLessThan(0.01);
  } finally {
    log.mockRestore();
    await rm(folder, { recursive: true });
  }
});
