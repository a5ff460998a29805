import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparedRun, differenceOf, errorsOf, estimateOf, groupRuns, type RunResult } from '../src/index.ts';
import { sampleRun } from './samples.ts';

function runsOf(name: string, losses: readonly number[], changes: Partial<RunResult> = {}): RunResult[] {
  return losses.map((testLoss, seed) => sampleRun({ name, seed, testLoss, ...changes }));
}

const losses = fc.array(fc.double({ min: 1, max: 9, noNaN: true }), { minLength: 2, maxLength: 6 });
const only = (runs: readonly RunResult[]) => groupRuns(runs)[0]!;

describe('runs of a name', () => {
  it('are one setting, by their seeds, in the order of the names', () => {
    const runs = [...runsOf('b', [1, 2]).toReversed(), ...runsOf('a', [3]), ...runsOf('b', [0, 0, 5]).slice(2)];
    expect(groupRuns(runs).map(({ name, runs: own }) => [name, own.map(({ seed }) => seed)])).toEqual([
      ['b', [0, 1, 2]],
      ['a', [0]],
    ]);
  });

  it('have a mean within their interval, whatever their order', () => {
    fc.assert(
      fc.property(losses, (each) => {
        const runs = runsOf('lpr', each);
        const { mean, error } = estimateOf(only(runs), 'testLoss')!;
        expect(mean).toBeGreaterThanOrEqual(Math.min(...each) - 1e-9);
        expect(mean).toBeLessThanOrEqual(Math.max(...each) + 1e-9);
        expect(error).toBeGreaterThanOrEqual(0);
        expect(estimateOf(only(runs.toReversed()), 'testLoss')).toEqual({ mean, error });
        expect(errorsOf(only(runs))).toBe('seeds');
      }),
    );
  });

  it('have no interval where there is one, unless its text was resampled', () => {
    const bootstrap = { errors: { testLoss: 0.05 }, differences: {} };
    const [alone] = groupRuns(runsOf('lpr', [5]));
    expect([errorsOf(alone!), estimateOf(alone!, 'testLoss')]).toEqual([null, { mean: 5, error: null }]);
    const [resampled] = groupRuns(runsOf('lpr', [5], { bootstrap }));
    expect([errorsOf(resampled!), estimateOf(resampled!, 'testLoss')]).toEqual(['blocks', { mean: 5, error: 0.05 }]);
    expect(estimateOf(resampled!, 'information')!.error).toBeNull();
  });

  it('have no mean of what one of them does not have', () => {
    const runs = [...runsOf('lpr', [5]), sampleRun({ name: 'lpr', seed: 1, mean: { gini: null }, worst: null })];
    expect(estimateOf(only(runs), 'gini')).toBeNull();
    expect(estimateOf(only(runs), 'minMax')).toBeNull();
    expect(differenceOf(only(runs), only(runsOf('top-k', [5, 6])), 'gini')).toBeNull();
    expect(comparedRun(only(runs), null)).toMatchObject({ worst: null, seeds: [0, 1], errorsOf: 'seeds' });
  });
});

describe('the difference of two settings', () => {
  it('is 0 without width between equal runs, and free of what seeds share', () => {
    fc.assert(
      fc.property(losses, (each) => {
        const group = only(runsOf('lpr', each));
        expect(differenceOf(group, { ...group, name: 'other' }, 'testLoss')).toEqual({ mean: 0, error: 0 });
        const better = only(
          runsOf(
            'better',
            each.map((loss) => loss - 0.5),
          ),
        );
        expect(differenceOf(better, group, 'testLoss')!.mean).toBeCloseTo(-0.5, 9);
        expect(differenceOf(better, group, 'testLoss')!.error).toBeCloseTo(0, 9);
      }),
    );
  });

  it('is over the seeds that both have', () => {
    const three = only(runsOf('lpr', [5, 6, 7]));
    const two = only(runsOf('top-k', [4, 4]));
    expect(differenceOf(three, two, 'testLoss')!.mean).toBe(1.5);
    expect(differenceOf(three, only(runsOf('top-k', [4])), 'testLoss')).toEqual({ mean: 1, error: null });
    expect(differenceOf(three, only([sampleRun({ seed: 9 })]), 'testLoss')).toBeNull();
  });

  it('is over the blocks of the text where both have one seed and that was computed', () => {
    const known = { mean: 0.25, error: 0.125 };
    const bootstrap = { errors: {}, differences: { 'top-k': { testLoss: known } } };
    const [lpr, other] = groupRuns([...runsOf('lpr', [5.25], { bootstrap }), ...runsOf('top-k', [5])]);
    expect(differenceOf(lpr!, other!, 'testLoss')).toEqual(known);
    expect(differenceOf(lpr!, other!, 'gini')).toEqual({ mean: 0, error: null });
    expect(comparedRun(lpr!, other!).differences).toMatchObject({ testLoss: known });
    // Of the one seed, though the other setting has more.
    expect(differenceOf(lpr!, only(runsOf('top-k', [5, 6])), 'testLoss')).toEqual(known);
    expect(differenceOf(lpr!, only([sampleRun({ name: 'top-k', seed: 9 })]), 'testLoss')).toBeNull();
    expect(comparedRun(other!, other!).differences).toBeNull();
  });
});
