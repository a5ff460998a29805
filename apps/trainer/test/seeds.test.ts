import { describe, expect, it } from 'vitest';
import { seedsOf, withSeeds } from '../src/comparison/seeds.ts';
import { resolveSettings, type SettingOptions } from '../src/settings/resolve.ts';

const options: SettingOptions = { preset: 'tiny', config: [], set: [] };
const one = new Map(['top-k', 'lpr'].map((router) => [router, resolveSettings({ ...options, seed: 3, router })]));

describe('seeds', () => {
  it('are so many from 0 on, or those that are named', () => {
    expect(seedsOf('3')).toEqual([0, 1, 2]);
    expect(seedsOf('1')).toEqual([0]);
    expect(seedsOf('0,1, 5')).toEqual([0, 1, 5]);
  });

  it.each([
    ['0', 'it takes 1 to 100'],
    ['2026', 'The seed 2026 alone is --seed 2026'],
    ['7,', 'one alone is --seed'],
    ['', 'give how many (3: the seeds 0, 1 and 2), or which (0,1,5)'],
    ['1.5', 'give how many'],
    ['-1', 'give how many'],
    ['two', '--seeds two: give how many'],
    ['1,1', '--seeds 1,1: name each seed once'],
  ])('written %j are a clear error', (text, message) => {
    expect(() => seedsOf(text)).toThrow(message);
  });

  it('give each setting a run of its own, one seed after the other', () => {
    const runs = withSeeds(one, '0,5', options);
    expect(Array.from(runs, ([name, { router, seed }]) => [name, router, seed])).toEqual([
      ['top-k-0', 'top-k', 0],
      ['lpr-0', 'lpr', 0],
      ['top-k-5', 'top-k', 5],
      ['lpr-5', 'lpr', 5],
    ]);
    // As it would be resolved by itself.
    expect(runs.get('lpr-5')).toEqual(resolveSettings({ ...options, router: 'lpr', seed: 5 }));
  });

  it('leave names as they are where there is one', () => {
    expect(withSeeds(one, undefined, options)).toBe(one);
    expect(Array.from(withSeeds(one, '1', options), ([name, { seed }]) => [name, seed])).toEqual([
      ['top-k', 0],
      ['lpr', 0],
    ]);
  });

  it('are not decided twice', () => {
    expect(() => withSeeds(one, '2', { set: ['seed=4'] })).toThrow(
      '--seeds 2: --set seed=4 decides the seed already; leave one out',
    );
  });
});
