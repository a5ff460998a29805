import { describe, expect, it } from 'vitest';
import { settingNames, withLooks } from '../src/index.ts';
import { bySetting } from '../src/looks.ts';
import { wholeRun } from './whole-runs.ts';

function named(name: string, settings: Readonly<Record<string, string>>) {
  return { name, path: name, settings: new Map(Object.entries(settings)) };
}

const MODEL = { architecture: 'qwen3-moe', router: 'lpr' };

describe('the setting of a run', () => {
  it('is shared by those that differ in their seed alone', () => {
    const runs = [
      named('a', { ...MODEL, seed: '0' }),
      named('b', { ...MODEL, seed: '1', device: 'gpu' }),
      named('c', { ...MODEL, seed: '0', 'lpr.temperature': '4' }),
      named('d', { ...MODEL, seed: '1', 'lpr.temperature': '4' }),
      named('e', { ...MODEL, router: 'top-k', seed: '0' }),
    ];
    const [first, , second] = settingNames(runs);
    expect(settingNames(runs)).toEqual([first, first, second, second, undefined]);
    expect([first, second].map((name) => name?.includes('seed'))).toEqual([false, false]);
    expect(second).toBe('Qwen3-MoE-LPR, temperature 4');
  });

  it('is not shared by runs of one seed, which are to be told apart', () => {
    expect(settingNames([named('a', { ...MODEL, seed: '0' }), named('b', { ...MODEL, seed: '0' })])).toEqual([
      undefined,
      undefined,
    ]);
  });
});

describe('looks', () => {
  const runs = Array.from({ length: 18 }, (_, i) => ({
    ...wholeRun({ name: `run ${i}` }),
    setting: `setting ${Math.floor(i / 2)}`,
  }));

  it('are colours for the first seven, and grey for the rest', () => {
    expect(withLooks(runs).map(({ look }) => look?.colour)).toEqual(
      runs.map((_, i) => (i < 14 ? Math.floor(i / 2) : null)),
    );
  });

  it('are colours for those that are chosen, at their places', () => {
    const looks = withLooks(runs, { chosen: ['setting 8', '', 'setting 2'] }).map(({ look }) => look?.colour);
    expect(looks).toEqual(runs.map((_, i) => (i >= 16 ? 0 : i === 4 || i === 5 ? 2 : null)));
  });

  it('stand for a setting, and seeds that they tell apart are no longer one', () => {
    const bySeed = withLooks(runs, { entries: runs.map((_, i) => `seed ${i % 2}`) });
    expect(new Set(bySeed.map(({ look }) => look?.entry))).toEqual(new Set(['seed 0', 'seed 1']));
    expect(bySetting(bySeed)).toHaveLength(18);
    const byHalf = withLooks(runs, { entries: runs.map((_, i) => (i < 8 ? 'low' : 'high')) });
    expect(bySetting(byHalf).map(({ name, entry, runs: own }) => [name, entry, own.length])).toContainEqual([
      ...['setting 0', 'low', 2],
    ]);
  });
});
