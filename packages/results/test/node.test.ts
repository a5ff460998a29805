import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { differenceLines, markdownFiles, readResult, staleDocuments, writeResult } from '../src/node.ts';
import { sampleTables } from './samples.ts';

const root = await mkdtemp(join(tmpdir(), 'lpr-results-'));
afterAll(() => rm(root, { recursive: true }));

async function put(file: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, file)), { recursive: true });
  await writeFile(join(root, file), text);
}

const opening = '<!-- results: speed columns=product -->';
const table = ['', '| product     |', '| ----------- |', '| square, 768 |', '| thin        |', ''];
const shown = (lines: readonly string[]): string => [opening, ...lines, '<!-- /results -->', ''].join('\n');

it('finds the tables of all documents that are not what their results give', async () => {
  await mkdir(join(root, 'docs/results'), { recursive: true });
  await writeResult(join(root, 'docs/results/speed.json'), sampleTables());
  await put('README.md', shown(table));
  await put('packages/runs/README.md', shown(table.with(3, '| square, 512 |')));
  for (const file of ['node_modules/a/README.md', '.cache/b.md', 'runs/c.md', 'packages/runs/dist/d.md']) {
    await put(file, shown([]));
  }
  expect(await markdownFiles(root)).toEqual(['README.md', 'packages/runs/README.md']);

  const [stale, ...others] = await staleDocuments(root);
  expect(others).toEqual([]);
  expect(stale!.document).toBe(shown(table));
  expect(differenceLines(stale!)).toEqual([
    `packages/runs/README.md:5 in ${opening}`,
    '  is:        | square, 512 |',
    '  should be: | square, 768 |',
  ]);

  const result = await readResult(join(root, 'docs/results/speed.json'));
  expect(result).toEqual(sampleTables());
  await writeFile(join(root, 'packages/runs/README.md'), stale!.document);
  expect(await staleDocuments(root)).toEqual([]);
});

it('names the document and line of a marker that names no result', async () => {
  await put('docs/notes.md', '# Notes\n\n<!-- results: sped -->\n<!-- /results -->\n');
  await expect(staleDocuments(root)).rejects.toThrow(
    'docs/notes.md, line 3: <!-- results: sped -->: there is no docs/results/sped.json',
  );
});

it('writes nothing that could not be read', async () => {
  const path = join(root, 'bad.json');
  await expect(writeResult(path, { ...sampleTables(), when: 'today' })).rejects.toThrow('is no stored result');
  await expect(readFile(path)).rejects.toThrow('ENOENT');
});
