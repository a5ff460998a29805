import { describe, expect, it } from 'vitest';
import { findDataFiles } from '../src/sources/hub-card.ts';
import { matchingPaths, parseGlobs } from '../src/sources/hub-globs.ts';
import type { HubSpec } from '../src/sources/spec.ts';

const globsOf = (configs: unknown, options: Partial<HubSpec> = {}) =>
  findDataFiles({ type: 'hub', dataset: 'owner/set', maxTokens: 1, ...options }, { configs });
const matched = (patterns: readonly string[], paths: readonly string[]) => [
  ...matchingPaths('owner/set', parseGlobs('owner/set', patterns), paths),
];

describe('the card of a dataset', () => {
  const file = { config_name: 'a', data_files: 'a.parquet' };

  it('may leave fields empty', () => {
    const empty = { config_name: 'en', data_dir: 'en', data_files: null, default: null };
    const french = { config_name: 'fr', data_dir: 'fr' };
    const files = globsOf([empty, french], { config: 'en' });
    expect(files).toEqual(globsOf([french], { config: 'fr' }).map((glob) => glob.replace('fr/', 'en/')));
    expect(() => globsOf([empty, french])).toThrow('has several configurations. Set "config" to one of: en, fr.');
    expect(globsOf([{ ...file, data_dir: null }])).toEqual(['a.parquet']);
    expect(globsOf(null)).toEqual(globsOf([]));
  });

  it.each(['', '/', '.', './'])('may mean its own folder: %j', (data_dir) =>
    expect(globsOf([{ config_name: 'a', data_dir, data_files: ['./x.parquet', '/y//z.parquet'] }])).toEqual([
      'x.parquet',
      'y/z.parquet',
    ]),
  );

  it('may give the files of each split by its name', () => {
    const configs = [{ config_name: 'a', data_files: { train: 'a/*', 2023: ['b', 'c'] } }];
    expect(globsOf(configs)).toEqual(['a/*']);
    expect(globsOf(configs, { split: '2023' })).toEqual(['b', 'c']);
  });

  const splits = 'a path or a list of paths, or a list of which each entry has a "split" and a "path"';
  it.each([
    [{ en: file }, 'card.configs is {"en":{"config_name":"a","data_files":"a.parquet"}}, expected a list of'],
    [['en'], 'card.configs.0 is "en", expected a configuration with its "config_name"'],
    [[file, { data_files: 'a' }], 'card.configs.1.config_name is nothing, expected a name'],
    [[{ ...file, config_name: true }], 'card.configs.0.config_name is true, expected a name'],
    [[{ ...file, default: 'true' }], 'card.configs.0.default is "true", expected true or false'],
    [[{ ...file, data_dir: ['a'] }], 'card.configs.0.data_dir is ["a"], expected a name'],
    [[{ ...file, data_files: '' }], `card.configs.0.data_files is "", expected ${splits}`],
    [[{ ...file, data_files: [] }], `card.configs.0.data_files is [], expected ${splits}`],
    [[{ ...file, data_files: {} }], `card.configs.0.data_files is {}, expected ${splits}`],
    [
      [{ ...file, data_files: ['a', { split: 'b', path: 'c' }] }],
      `data_files is ["a",{"split":"b","path":"c"}], expected`,
    ],
  ])('is refused by its field where it does not fit: %j', (configs, message) => {
    for (const config of [undefined, 'a']) expect(() => globsOf(configs, { config })).toThrow(message);
    expect(() => globsOf(configs)).toThrow(/^hub: the card of owner\/set .* Name the files by "paths"\.$/);
  });
});

describe('globs of a dataset', () => {
  const paths = ['a1', 'b1', '!a1', '^1', '[a]1', 'sub/a1', 'a{1,2}', 'a|b', 'a+1', 'aa1', String.raw`a\1`];

  it.each([
    ['[!a]1', ['b1', '^1']],
    ['!a1', ['!a1']],
    ['!*', ['!a1']],
    ['[^a]1', ['a1', '^1']],
    ['a{1,2}', ['a{1,2}']],
    ['a|b', ['a|b']],
    ['a+1', ['a+1']],
    ['[a]+1', ['a+1']],
    ['a[1]', ['a1']],
    ['**/a?', ['a1', 'sub/a1']],
    [String.raw`a\1`, [String.raw`a\1`]],
  ])('of a card match what Python has them match: %s', (data_files, expected) =>
    expect(matched(globsOf([{ config_name: 'a', data_files }]), paths)).toEqual(expected),
  );

  it('of settings may have alternatives, and no negation', () => {
    expect(matched(['{a,b}1'], paths)).toEqual(['a1', 'b1']);
    expect(matched(['[!a]1'], paths)).toEqual(['b1', '^1']);
    expect(matched(['!a1'], paths)).toEqual(['!a1']);
    expect(matched(['*1', 'a1'], ['a1', 'sub/a1'])).toEqual(['a1']);
  });

  it.each([
    [
      '12 wildcards',
      `${'*a'.repeat(12)}b`,
      /the pattern "\*a\*a.*" \(looking for what matches was stopped after 2\.0 seconds\)/,
    ],
    ['no characters', '', /the pattern "" \(Expected pattern to be a non-empty string\)/],
    ['more characters than a path has', 'a'.repeat(70_000), /the pattern "a{79}\.\.\. \(Input length: 70000, exceeds/],
  ])('come to an end, or are refused by name: %s', (_, pattern, message) => {
    expect(() => matched(['fine', pattern], ['a'.repeat(60)])).toThrow(message);
    expect(() => matched([pattern], ['a'.repeat(60)])).toThrow(/^hub: owner\/set: .* by "paths"\.$/);
  });
});
