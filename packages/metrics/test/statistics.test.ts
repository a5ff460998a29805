import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differenceBySeed, exceedsError, meanEstimate, pairedDifference } from '../src/index.ts';
import { incompleteBeta, studentQuantile, studentTail } from '../src/special-functions.ts';

const finite = fc.double({ min: -1e3, max: 1e3, noNaN: true });

describe("Student's distribution", () => {
  // Two-sided 5 % points, as printed in tables of the distribution.
  it.each([
    [1, 12.706],
    [2, 4.303],
    [3, 3.182],
    [4, 2.776],
    [7, 2.365],
    [10, 2.228],
    [30, 2.042],
    [120, 1.98],
    [1e6, 1.96],
  ])('of %d degrees of freedom is within %d with probability 0.95', (degrees, t) => {
    expect(studentQuantile(0.95, degrees)).toBeCloseTo(t, 3);
  });

  it('has the closed forms of one and two degrees of freedom', () => {
    for (const t of [0.01, 0.5, 1, 3, 20, 1e4]) {
      expect(studentTail(t, 1)).toBeCloseTo(1 - (2 / Math.PI) * Math.atan(t), 12);
      expect(studentTail(t, 2)).toBeCloseTo(1 - t / Math.sqrt(2 + t * t), 12);
    }
    // Far out, the difference from 1 would be rounding alone.
    expect(studentTail(1e6, 1)).toBeCloseTo(2 / (Math.PI * 1e6), 16);
  });

  it('has quantiles that undo its tails', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 0.999, noNaN: true }), fc.integer({ min: 1, max: 200 }), (p, degrees) => {
        expect(1 - studentTail(studentQuantile(p, degrees), degrees)).toBeCloseTo(p, 10);
      }),
    );
  });
});

describe('the incomplete beta function', () => {
  it('is that of whole numbers, and symmetric', () => {
    for (const x of [0, 0.1, 0.5, 0.9, 1]) {
      expect(incompleteBeta(x, 1, 1)).toBeCloseTo(x, 12);
      // 3 x^2 - 2 x^3, and the sum of binomial probabilities.
      expect(incompleteBeta(x, 2, 2)).toBeCloseTo(3 * x ** 2 - 2 * x ** 3, 12);
      expect(incompleteBeta(x, 1, 5)).toBeCloseTo(1 - (1 - x) ** 5, 12);
      expect(incompleteBeta(x, 2.5, 0.5)).toBeCloseTo(1 - incompleteBeta(1 - x, 0.5, 2.5), 12);
    }
  });
});

describe('a mean of seeds', () => {
  it('has the interval of Student', () => {
    // Of 1, 2, 3, 4, 5: standard deviation sqrt(2.5), t of 4 degrees of freedom 2.776.
    const { mean, error } = meanEstimate([1, 2, 3, 4, 5]);
    expect(mean).toBe(3);
    expect(error).toBeCloseTo(2.776445 * Math.sqrt(2.5 / 5), 5);
    // Two seeds: 12.706 times half their distance.
    expect(meanEstimate([4.8, 5])).toEqual({ mean: 4.9, error: expect.closeTo(12.7062 * 0.1, 4) });
  });

  it('has no interval where there is one, and does not exist where a value does not', () => {
    expect(meanEstimate([4.5])).toEqual({ mean: 4.5, error: null });
    expect(meanEstimate([1, Number.NaN, 3])).toEqual({ mean: Number.NaN, error: null });
    expect(meanEstimate([1, Infinity])).toEqual({ mean: Number.NaN, error: null });
    expect(() => meanEstimate([])).toThrow('values is empty');
    expect(meanEstimate([0.1, 0.1, 0.1])).toEqual({ mean: 0.1, error: 0 });
  });

  it('lies between its values, and moves and stretches as they do', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 2, maxLength: 8 }), finite, (values, shift) => {
        const { mean, error } = meanEstimate(values);
        expect(mean).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
        expect(mean).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
        expect(error).toBeGreaterThanOrEqual(0);
        const moved = meanEstimate(values.map((value) => shift - 2 * value));
        expect(moved.mean).toBeCloseTo(shift - 2 * mean, 8);
        expect(moved.error).toBeCloseTo(2 * error!, 8);
      }),
    );
  });

  it('holds the true mean in 95 of 100 cases', () => {
    // Sums of twelve uniform numbers are nearly normal, with the variance 1.
    let state = 1;
    const uniform = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const normal = (): number => Array.from({ length: 12 }, uniform).reduce((a, b) => a + b) - 6;
    let held = 0;
    for (let i = 0; i < 4000; i++) if (!exceedsError(meanEstimate([normal(), normal(), normal()]))) held++;
    expect(held / 4000).toBeCloseTo(0.95, 1.7);
  });
});

describe('a paired difference', () => {
  it('is 0 without width where nothing differs, and without the spread that pairs share', () => {
    fc.assert(
      fc.property(fc.array(finite, { minLength: 2, maxLength: 8 }), (values) => {
        expect(pairedDifference(values, values)).toEqual({ mean: 0, error: 0 });
        const { mean, error } = pairedDifference(
          values.map((value) => value + 1),
          values,
        );
        expect(mean).toBeCloseTo(1, 9);
        expect(error).toBeCloseTo(0, 9);
      }),
    );
  });

  it('is that of the differences', () => {
    expect(pairedDifference([5, 7, 9], [4, 5, 6])).toEqual(meanEstimate([1, 2, 3]));
    expect(() => pairedDifference([1, 2], [1])).toThrow('they must be pairs');
  });

  it('are of one seed each, of those that both have', () => {
    const bySeed = (...pairs: readonly [number, number | null][]) => new Map(pairs);
    const own = bySeed([3, 5], [0, 9], [1, 7]);
    expect(differenceBySeed(own, bySeed([1, 5], [3, 4], [8, 1]))).toEqual(pairedDifference([5, 7], [4, 5]));
    expect(differenceBySeed(own, bySeed([0, 0]))).toEqual({ mean: 9, error: null });
    expect(differenceBySeed(own, bySeed([2, 5]))).toBeNull();
    expect(differenceBySeed(own, bySeed([0, 1], [1, null]))).toBeNull();
    expect(differenceBySeed(bySeed([0, 1], [1, null]), own)).toBeNull();
    // A number that no pair needs may lack.
    expect(differenceBySeed(own, bySeed([0, 1], [2, null]))).toEqual({ mean: 8, error: null });
  });

  it('is larger than its error only where that is known', () => {
    expect(exceedsError({ mean: -2, error: 1 })).toBe(true);
    expect(exceedsError({ mean: 1, error: 1 })).toBe(false);
    expect(exceedsError({ mean: 5, error: null })).toBe(false);
    expect(exceedsError({ mean: Number.NaN, error: null })).toBe(false);
  });
});
