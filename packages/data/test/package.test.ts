import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import * as data from '../src/index.ts';

const ROOT = join(import.meta.dirname, '..');

const SNIPPETS = Array.from(
  readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g),
  (match) => match[1]!,
);

it('does what the README shows', async () => {
  const snippet = SNIPPETS[0]!;
  const [, names, body] = /^import (\{.*\}) from '@lpr\/data';\n([\s\S]*)$/.exec(snippet)!;
  const printed: unknown[][] = [];
  const record = { log: (...values: unknown[]): unknown => printed.push(values) };
  // oxlint-disable-next-line typescript/no-implied-eval -- the snippet is the text under test
  const run = new Function('data', 'console', `const ${names} = data; return (async () => {${body}})();`);
  await run(data, record);
  expect(printed[0]).toEqual([2048, true]);
  expect(printed.slice(1).map(([domain]) => domain)).toEqual(Array.from({ length: 8 }, () => 'sotu'));
  expect(printed.every((values) => values.length === 2)).toBe(true);
}, 60_000);

it('takes the sources that the README shows', () => {
  // oxlint-disable-next-line typescript/no-implied-eval -- the snippet is the text under test
  const lists: unknown[][] = new Function(`${SNIPPETS[1]} return [file, fineWeb, mixture];`)();
  expect(lists.map((list) => list.length)).toEqual([1, 1, 3]);
  for (const spec of lists.flat()) {
    expect(data.sourceSpecSchema.parse(spec)).toEqual(spec);
  }
});

it('keeps Node out of what browsers can use', () => {
  const needNode = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .filter((name) =>
      /from '(node:|.*(cache|encoding|prepare|load|sources\/.*)\.ts')/.test(
        readFileSync(join(ROOT, 'src', name), 'utf8'),
      ),
    )
    .filter((name) => !name.startsWith('sources'));
  expect(needNode.toSorted()).toEqual([
    'cache.ts',
    'encoding.ts',
    'index.ts',
    'prepare.ts',
    'split.ts',
    'tokenizers/load.ts',
    'tokenizers/trained.ts',
  ]);
});
