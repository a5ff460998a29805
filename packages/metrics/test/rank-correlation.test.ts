import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chanceOfOrder, rankCorrelation, rankCorrelationOf } from '../src/index.ts';

const distinct = (size: number) => fc.shuffledSubarray([...Array(20).keys()], { minLength: size, maxLength: size });
const pairs = fc.integer({ min: 3, max: 12 }).chain((n) => fc.tuple(distinct(n), distinct(n)));
const exact = (values: readonly number[]) => values.map((mean) => ({ mean, error: 0 }));

describe('rank correlation', () => {
  it("is Spearman's 1 - 6 sum d^2 / (n (n^2 - 1)) where no values are equal", () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const rank = (of: readonly number[], value: number): number => of.toSorted((x, y) => x - y).indexOf(value);
        const squares = a.reduce((sum, value, i) => sum + (rank(a, value) - rank(b, b[i]!)) ** 2, 0);
        const n = a.length;
        expect(rankCorrelation(a, b)).toBeCloseTo(1 - (6 * squares) / (n * (n * n - 1)), 12);
      }),
    );
  });

  it('asks for the order alone', () => {
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const rho = rankCorrelation(a, b)!;
        expect(
          rankCorrelation(
            a.map((value) => Math.exp(value / 4)),
            b.map((value) => value ** 3 - 7),
          ),
        ).toBe(rho);
        expect(rankCorrelation(b, a)).toBeCloseTo(rho, 12);
        expect(
          rankCorrelation(
            a.map((value) => -value),
            b,
          ),
        ).toBeCloseTo(-rho, 12);
      }),
    );
  });

  it('gives equal values the mean of their ranks, and is undefined where nothing can be ranked', () => {
    // Ranks 1, 2.5, 2.5, 4 beside 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
    expect(rankCorrelation([1, 2, 2, 3], [10, 20, 30, 40])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNull();
    expect(rankCorrelation([1, null, 3], [1, 2, 3])).toBeNull();
    expect(rankCorrelation([1, Number.NaN, 3], [1, 2, 3])).toBeNull();
    expect(rankCorrelation([1, 2], [1, 2])).toBeNull();
    expect(() => rankCorrelation([1, 2, 3], [1, 2])).toThrow('they must be pairs');
  });
});

describe('the interval of a rank correlation', () => {
  it('is a point without errors, holds the correlation, and is the same for the same seed', () => {
    fc.assert(
      fc.property(pairs, fc.double({ min: 0, max: 30, noNaN: true }), ([a, b], error) => {
        const { value, interval } = rankCorrelationOf(exact(a), b)!;
        expect(value).toBe(rankCorrelation(a, b));
        expect(interval).toEqual({ low: value, high: value });
        const estimates = a.map((mean) => ({ mean, error }));
        const { interval: wide } = rankCorrelationOf(estimates, b)!;
        expect(wide!.low).toBeLessThanOrEqual(value);
        expect(wide!.high).toBeGreaterThanOrEqual(value);
        expect(rankCorrelationOf(estimates, b)!.interval).toEqual(wide);
      }),
      { numRuns: 10 },
    );
  });

  it('takes the error of an estimate for its 95 % range', () => {
    const lowOf = (error: number, seed: number): number => {
      const estimates = [{ mean: 1, error }, { mean: 2, error }, ...exact([9])];
      return rankCorrelationOf(estimates, [1, 2, 3], seed)!.interval!.low;
    };
    // Two numbers change places with probability 2.5 % where their errors are their distance over sqrt 2, 0.707; with
    // 1.5 % at 0.64, and 3.8 % at 0.78. The correlation is 0.5 then.
    for (let seed = 0; seed < 3; seed++) {
      expect(lowOf(0.64, seed)).toBe(1);
      expect(lowOf(0.78, seed)).toBe(0.5);
    }
  });

  it('is as wide as any order where errors are larger than all differences, and unknown with an error', () => {
    const values = [1, 2, 3, 4, 5, 6, 7, 8];
    const blurred = values.map((mean) => ({ mean, error: 1e6 }));
    // Ranks in a random order: standard deviation 1 / sqrt(n - 1).
    const { interval } = rankCorrelationOf(blurred, values)!;
    expect(interval!.low).toBeCloseTo(-1.96 / Math.sqrt(7), 0.9);
    expect(interval!.high).toBe(1);
    expect(rankCorrelationOf([{ mean: 9, error: null }, ...exact([1, 2])], [1, 2, 3])!.interval).toBeNull();
    expect(rankCorrelationOf([null, ...exact([1, 2])], [1, 2, 3])).toBeNull();
  });
});

describe('the chance of an order', () => {
  it('counts the orders that agree as well', () => {
    expect(chanceOfOrder([1, 2, 3, 4], [1, 2, 3, 4])).toBe(1 / 24);
    expect(chanceOfOrder([4, 3, 2, 1], [1, 2, 3, 4])).toBe(1);
    // 1 for the order itself, 0.5 for two that exchange neighbours.
    expect(chanceOfOrder([1, 3, 2], [1, 2, 3])).toBe(3 / 6);
    expect(chanceOfOrder([1, 2], [1, 2])).toBeNull();
  });

  it('is estimated for longer lists', () => {
    const values = [...Array(9).keys()];
    // 1 of 362,880 orders, so of 10,000 probably none.
    expect(chanceOfOrder(values, values)).toBeLessThan(3 / 10_001);
    const chance = chanceOfOrder([1, 0, 3, 2, 5, 4, 7, 6, 8], values)!;
    expect(chance).toBeGreaterThan(0);
    expect(chance).toBeLessThan(0.01);
  });
});
