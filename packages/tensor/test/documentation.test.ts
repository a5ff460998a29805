/** Every export of the package says what it is. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as api from '../src/index.ts';
import * as nn from '../src/nn/index.ts';

it('documents every exported function, class and type', async () => {
  const src = join(import.meta.dirname, '../src');
  const files = (await readdir(src, { recursive: true })).filter((name) =>
    /^[^/]*\.ts$|^(nn|ops)\/|^devices\/((gpu|kernels|wasm)\/)?(index|device|profile)\.ts$/.test(name),
  );
  const documented = new Map<string, boolean>();
  const exportsOf = new Map<string, string[]>();
  for (const file of files) {
    const lines = (await readFile(join(src, file), 'utf8')).split('\n');
    for (const [i, line] of lines.entries()) {
      const name = /^export (?:async )?(?:function\*?|const|class|interface|type) (\w+)/.exec(line)?.[1];
      // Of overloads, the first carries the comment.
      if (name === undefined) continue;
      exportsOf.set(file, [...(exportsOf.get(file) ?? []), name]);
      if (!documented.has(name)) documented.set(name, lines[i - 1]!.endsWith('*/'));
    }
  }
  const index = await readFile(join(src, 'index.ts'), 'utf8');
  const named = [...index.matchAll(/type (\w+)|^ {2}(\w+),$/gm)].map(([, type, value]) => type ?? value!);
  const whole = [...index.matchAll(/^export \* from '.\/(.+)'/gm)].flatMap(([, file]) => exportsOf.get(file!)!);
  const ofNetworks = [...exportsOf].flatMap(([file, exported]) => (file.startsWith('nn/') ? exported : []));
  const names = [...new Set([...Object.keys(api), ...named, ...whole, ...Object.keys(nn), ...ofNetworks])];
  expect(names.length).toBeGreaterThan(90);
  expect(names.filter((name) => documented.get(name) !== true)).toEqual([]);
});
