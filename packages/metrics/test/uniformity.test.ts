import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { uniformityTest } from '../src/index.ts';
import { Random } from '../src/random.ts';
import { chiSquareTail, logGamma, upperGamma } from '../src/special-functions.ts';
import { plainUniformLoads } from './plain-routing.ts';

describe('special functions', () => {
  test('the gamma function of whole and half numbers', () => {
    let factorial = 1;
    for (let n = 1; n < 60; n++) {
      expect(logGamma(n)).toBeCloseTo(Math.log(factorial), 10);
      factorial *= n;
    }
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 12);
    expect(logGamma(4.5)).toBeCloseTo(Math.log((105 * Math.sqrt(Math.PI)) / 16), 12);
  });

  // Critical values as printed in statistical tables (NIST/SEMATECH e-Handbook, section 1.3.6.7.4).
  test.each([
    [1, 0.05, 3.841],
    [1, 0.001, 10.828],
    [2, 0.1, 4.605],
    [7, 0.01, 18.475],
    [10, 0.05, 18.307],
    [31, 0.025, 48.232],
    [63, 0.05, 82.529],
    [100, 0.001, 149.449],
    [100, 0.9, 82.358],
  ])('the chi-square tail: %i degrees of freedom, %f', (degrees, tail, critical) => {
    // The tables round to 0.0005; the tail changes by at most as much as its density, which is below 0.25 here.
    expect(Math.abs(chiSquareTail(critical, degrees) - tail)).toBeLessThan(0.0006 * Math.max(0.02, tail));
  });

  test('an even number of degrees is a sum of a Poisson distribution, also far out in the tail', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.double({ min: 0.01, max: 600, noNaN: true }), (half, x) => {
        let term = Math.exp(-x);
        let tail = 0;
        for (let i = 0; i < half; i++) {
          tail += term;
          term *= x / (i + 1);
        }
        fc.pre(tail > 1e-290);
        expect(Math.abs(upperGamma(half, x) / tail - 1)).toBeLessThan(1e-10);
      }),
    );
  });

  test('the ends', () => {
    expect(upperGamma(3, 0)).toBe(1);
    expect(upperGamma(3, Infinity)).toBe(0);
    expect(upperGamma(3, Number.NaN)).toBeNaN();
    expect(chiSquareTail(1e6, 1e6)).toBeCloseTo(0.5, 3);
  });
});

describe('a test for uniform loads', () => {
  test("with one expert a token is Pearson's", () => {
    // 60 throws of a die: (25 + 4 + 1 + 4 + 0 + 9) / 10, and its tail for 5 degrees of freedom.
    const { statistic, degreesOfFreedom, pValue } = uniformityTest([[5, 8, 9, 8, 10, 20]], 1);
    expect(statistic).toBeCloseTo(13.4, 12);
    expect(degreesOfFreedom).toBe(5);
    expect(chiSquareTail(statistic, 5)).toBeCloseTo(0.0199, 3);
    // Three moments instead of one: exact for 60 tokens to some per cent.
    expect(pValue / chiSquareTail(statistic, 5)).toBeGreaterThan(0.9);
    expect(pValue / chiSquareTail(statistic, 5)).toBeLessThan(1.1);
  });

  test('has the moments of all outcomes: 5 experts, 1 to 3 of them a token, 3 tokens', () => {
    for (const topK of [1, 2, 3]) {
      const choices = Array.from({ length: 32 }, (_, set) => [0, 1, 2, 3, 4].map((e) => (set >> e) & 1)).filter(
        (own) => own.reduce((a, b) => a + b) === topK,
      );
      const loads = choices.flatMap((a) =>
        choices.flatMap((b) => choices.map((c) => a.map((x, e) => x + b[e]! + c[e]!))),
      );
      // Pearson's statistic, scaled so that its mean is 4.
      const squares = loads.map((load) => load.reduce((total, x) => total + (x - 0.6 * topK) ** 2, 0));
      const scale = (4 * loads.length) / squares.reduce((a, b) => a + b);
      const moment = (power: number): number =>
        squares.reduce((total, x) => total + (scale * x - 4) ** power, 0) / loads.length;
      const degrees = (8 * moment(2) ** 3) / moment(3) ** 2;
      for (const [i, load] of loads.entries()) {
        if (i % 37 > 0) continue;
        const { statistic, pValue } = uniformityTest([load], topK);
        expect(statistic).toBeCloseTo(scale * squares[i]!, 9);
        const at = degrees + ((statistic - 4) / Math.sqrt(moment(2))) * Math.sqrt(2 * degrees);
        expect(pValue).toBeCloseTo(chiSquareTail(at, degrees), 9);
      }
    }
  });

  test('tells a slight imbalance of many tokens from chance, and forced balance from neither', () => {
    const uniform = plainUniformLoads(new Random(4), { experts: 32, topK: 4, tokens: 20_000 });
    expect(uniformityTest([uniform], 4).pValue).toBeGreaterThan(0.001);
    const skewed = uniform.map((count, expert) => count * (1 + (expert % 2 ? 0.03 : -0.03)));
    expect(uniformityTest([skewed], 4).pValue).toBeLessThan(1e-6);
    expect(uniformityTest([new Float64Array(32).fill(2500)], 4)).toMatchObject({ statistic: 0, pValue: 1 });
  });

  test('where the load leaves no choice', () => {
    expect(uniformityTest([[7, 7, 7]], 3)).toEqual({ statistic: 0, degreesOfFreedom: 0, pValue: 1 });
    expect(uniformityTest([[7, 7, 6]], 3).pValue).toBe(0);
    expect(uniformityTest([[1, 0, 1, 0]], 2).pValue).toBe(1);
    expect(uniformityTest([[0, 0, 0]], 1)).toEqual({ statistic: Number.NaN, degreesOfFreedom: 2, pValue: Number.NaN });
    expect(uniformityTest([[5]], 1).pValue).toBe(1);
    expect(uniformityTest([[2, 0]], 1).pValue).toBeGreaterThan(0);
  });

  test('misuse is named', () => {
    expect(() => uniformityTest([], 1)).toThrow('countsPerLayer is empty');
    expect(() => uniformityTest([[1, 2], [1, -2]], 1)).toThrow('countsPerLayer[1][1] is -2'); // biome-ignore format: a matrix
    expect(() => uniformityTest([[1, 2]], 3)).toThrow('topK is 3; it must be an integer from 1 to 2');
  });
});
