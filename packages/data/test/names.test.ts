import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseNames } from '../src/sources/names.ts';
import { openSource } from '../src/sources/open.ts';
import { documentSource } from '../src/sources/source.ts';
import type { SourceSpec } from '../src/sources/spec.ts';
import { makeFolder } from './folder.ts';
import { hubNames } from '../src/sources/names.ts';
import { jsonLines } from './texts.ts';

const { path: folder, write } = makeFolder();

/** What sources of text are called side by side, each of one path or several. */
async function namesOf(...sources: (string | string[])[]): Promise<string[]> {
  const opened = sources.map((paths) =>
    openSource({ type: 'text', paths: [paths].flat().map((path) => join(folder, path)) }),
  );
  return chooseNames((await Promise.all(opened)).map(({ names }) => names));
}

describe('the names of files', () => {
  it('are theirs without what they have in common', async () => {
    for (const name of ['wiki.2023.txt', 'wiki.2024.txt', 'news.en.jsonl.gz', 'a/b/v1.0', 'README', '.hidden']) {
      write(name, name);
    }
    expect(await namesOf('wiki.2023.txt')).toEqual(['wiki.2023']);
    expect(await namesOf('wiki.2023.txt', 'wiki.2024.txt', 'news.en.jsonl.gz')).toEqual([
      'wiki.2023',
      'wiki.2024',
      'news.en',
    ]);
    expect(await namesOf('a/b/v1.0', 'README', '.hidden')).toEqual(['v1.0', 'README', '.hidden']);
  });

  it('have as many folders as it takes', async () => {
    for (const name of ['en/train.txt', 'fr/train.txt', 'x/v1/en/a.txt', 'y/v1/en/a.txt', 'notes.txt']) {
      write(name, name);
    }
    expect(await namesOf('en/train.txt', 'fr/train.txt', 'notes.txt')).toEqual(['en/train', 'fr/train', 'notes']);
    expect(await namesOf('x/v1/en/a.txt', 'y/v1/en/a.txt')).toEqual(['x/v1/en/a', 'y/v1/en/a']);
    // Wherever the folder lies from here, and however that is written.
    const paths = [relative('.', join(folder, 'en/train.txt')), join(folder, 'notes/../fr/train.txt')];
    const opened = await Promise.all(paths.map((path) => openSource({ type: 'text', paths: [path] })));
    expect(chooseNames(opened.map(({ names }) => names))).toEqual(['en/train', 'fr/train']);
  });

  it('have their endings where nothing else differs', async () => {
    for (const name of ['same.txt', 'same.md', 'data.2023', 'data.2024']) {
      write(name, name);
    }
    expect(await namesOf('same.txt', 'same.md')).toEqual(['same.txt', 'same.md']);
    expect(await namesOf('data.2023', 'data.2024')).toEqual(['data.2023', 'data.2024']);
  });

  it('differ for 16 and for 40 of them', async () => {
    const shards = Array.from({ length: 40 }, (_, i) => `shards/part-${String(i).padStart(2, '0')}.txt`);
    const languages = Array.from({ length: 16 }, (_, i) => `language ${i}/corpus/train.txt`);
    for (const name of [...shards, ...languages]) {
      write(name, name);
    }
    expect(await namesOf(...shards)).toEqual(shards.map((_, i) => `part-${String(i).padStart(2, '0')}`));
    expect(await namesOf(...languages)).toEqual(languages.map((_, i) => `language ${i}/corpus/train`));
    expect(new Set(await namesOf(...shards, ...languages)).size).toBe(56);
  });

  it('are of what paths begin with where there are several', async () => {
    for (const name of ['g/wiki-1.txt', 'g/wiki-2.txt', 'g/arxiv-1.txt', 'h/wiki-1.txt', 'h/one.md', 'h/only.md']) {
      write(name, name);
    }
    expect(await namesOf('g/wiki-*.txt', 'g/arxiv-*.txt')).toEqual(['wiki', 'arxiv']);
    expect(await namesOf('g/*.txt', 'h/*.md')).toEqual(['g', 'h']);
    expect(await namesOf('g/wiki-*.txt', 'h/wiki-*.txt')).toEqual(['g/wiki', 'h/wiki']);
    expect(await namesOf(['g/wiki-1.txt', 'g/wiki-2.txt'], ['h/one.md', 'h/only.md'])).toEqual(['wiki', 'h']);
    expect(await namesOf(['g/arxiv-1.txt', 'g/./arxiv-1.txt'])).toEqual(['arxiv-1']);
    // Nothing but how they end tells them apart.
    expect(await namesOf('h/*.txt', 'h/*.md')).toEqual([join(folder, 'h/*.txt'), join(folder, 'h/*.md')]);
  });

  it('are the kind of source where paths begin with nothing', async () => {
    const here = process.cwd();
    process.chdir(folder);
    try {
      write('only.text', 'text');
      write('only.lines', jsonLines(['text']));
      expect((await openSource({ type: 'text', paths: ['*.text'] })).names[0]).toBe('text');
      expect((await openSource({ type: 'jsonl', paths: ['./*.lines'] })).names[0]).toBe('jsonl');
    } finally {
      process.chdir(here);
    }
  });
});

describe('chooseNames', () => {
  it('lets sources share a domain that they were given, and nobody else', async () => {
    const path = write('web.txt', 'text');
    const spec: SourceSpec = { type: 'text', paths: [path] };
    const given = { ...spec, domain: 'web' };
    const names = async (...specs: SourceSpec[]) =>
      chooseNames((await Promise.all(specs.map((each) => openSource(each)))).map(({ names }) => names));
    expect(await names(given, given)).toEqual(['web', 'web']);
    const [other] = await names(spec, given);
    expect(other).toMatch(/\/web$/);
    const documents = [{ id: 'a', text: 'a', domain: 'notes' }];
    expect(documentSource(documents).names).toEqual(['notes']);
    expect(documentSource(documents, { domain: 'mine' }).names).toEqual(['mine']);
  });

  it('names datasets of the hub by configuration, split or owner', () => {
    const spec = (dataset: string, options: object = {}) =>
      hubNames({ type: 'hub', dataset, maxTokens: 1, ...options });
    expect(chooseNames([spec('allenai/c4', { config: 'en' }), spec('Salesforce/wikitext')])).toEqual([
      'c4',
      'wikitext',
    ]);
    expect(chooseNames([spec('allenai/c4', { config: 'en' }), spec('allenai/c4', { config: 'fr' })])).toEqual([
      'c4/en',
      'c4/fr',
    ]);
    expect(chooseNames([spec('a/set'), spec('a/set', { split: 'test' })])).toEqual(['set/train', 'set/test']);
    expect(chooseNames([spec('a/set'), spec('b/set')])).toEqual(['a/set/train', 'b/set/train']);
    expect(chooseNames([spec('a/set'), spec('a/set', { revision: 'v2' })])).toEqual([
      'a/set/train@main',
      'a/set/train@v2',
    ]);
    expect(chooseNames([spec('a/set', { paths: ['x/*'] }), spec('a/set', { paths: ['y/*'] })])).toEqual([
      'a/set@main: x/*',
      'a/set@main: y/*',
    ]);
  });

  it('goes on to the next name of all that share one, and stops where there is none', () => {
    expect(chooseNames([['a', 'x/a'], ['a', 'y/a'], ['x/a']])).toEqual(['x/a', 'y/a', 'x/a']);
    expect(chooseNames([['a', 'x/a', 'z/x/a'], ['a'], ['x/a']])).toEqual(['z/x/a', 'a', 'x/a']);
  });
});
