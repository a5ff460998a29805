import { describe, expect, test } from 'vitest';
import { coefficientOfVariation, deadFraction, EmaLoadTracker, gini, minMax } from '../src/index.ts';
import { fixtureJson, fixtureTensors, haveFixtures } from './fixtures.ts';

test('a dead expert fades instead of counting as dead', () => {
  const tracker = new EmaLoadTracker(2, 0.99);
  tracker.update([1, 1], [1, 1]);
  for (let n = 0; n < 100; n++) tracker.update([2, 0], [2, 0]);
  expect(tracker.hard[1]).toBeCloseTo(0.01 * 0.99 ** 100, 12);
  expect(deadFraction(tracker.hard)).toBe(0);
});

test('misuse is named', () => {
  expect(() => new EmaLoadTracker(2, 1)).toThrow('decay is 1');
  expect(() => new EmaLoadTracker(2).update([1], [1, 1])).toThrow('hard has 1 entries; there are 2 experts');
});

describe.skipIf(!haveFixtures)('parity with PyTorch', () => {
  test('averages, variance and figures after each batch', () => {
    const { expected, decay, top_k, tolerances } = fixtureJson('metrics-load-tracker') as {
      expected: Record<string, number>[];
      decay: number;
      top_k: number;
      tolerances: Record<'expected' | 'out', { atol: number; rtol: number }>;
    };
    expect(expected.length).toBe(12);
    const tensors = fixtureTensors('metrics-load-tracker');
    const tracker = new EmaLoadTracker(8, decay);
    for (const [step, figures] of expected.entries()) {
      tracker.update(...loads(tensors.get(`in.scores.${step}`)!.values, top_k));
      expectClose(tracker.hard, tensors.get(`out.hard_load.${step}`)!.values, tolerances.out);
      expectClose(tracker.soft, tensors.get(`out.soft_load.${step}`)!.values, tolerances.out);
      const ours: Record<string, number> = {
        variance: tracker.variance(),
        utilization: 1 - deadFraction(tracker.hard),
        hard_cv: coefficientOfVariation(tracker.hard, 1),
        hard_min_max: minMax(tracker.hard),
        hard_gini: gini(tracker.hard),
        soft_cv: coefficientOfVariation(tracker.soft, 1),
        soft_min_max: minMax(tracker.soft),
        soft_gini: gini(tracker.soft),
      };
      for (const [figure, value] of Object.entries(figures)) {
        expectClose([ours[figure]!], [value], tolerances.expected);
      }
    }
  });
});

/** Hard counts and softmax-of-top-k mass per expert, from scores `[tokens][8]`. */
function loads(scores: readonly number[], topK: number): [number[], number[]] {
  const hard = Array<number>(8).fill(0);
  const soft = Array<number>(8).fill(0);
  for (let start = 0; start < scores.length; start += 8) {
    const token = scores.slice(start, start + 8);
    const chosen = token
      .map((score, expert) => ({ score, expert }))
      .toSorted((a, b) => b.score - a.score)
      .slice(0, topK);
    const mass = chosen.reduce((sum, { score }) => sum + Math.exp(score), 0);
    for (const { score, expert } of chosen) {
      hard[expert]! += 1;
      soft[expert]! += Math.exp(score) / mass;
    }
  }
  return [hard, soft];
}

function expectClose(
  actual: ArrayLike<number>,
  expected: readonly number[],
  { atol, rtol }: { atol: number; rtol: number },
): void {
  const largest = Math.max(...expected.map(Math.abs));
  for (const [i, value] of expected.entries()) {
    expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(atol + rtol * largest);
  }
}
