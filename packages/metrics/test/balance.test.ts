import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  balanceMeasures,
  balanceReport,
  coefficientOfVariation,
  deadExperts,
  deadFraction,
  effectiveExperts,
  entropy,
  expertsPerToken,
  gini,
  klToUniform,
  layersReport,
  maxViolation,
  maxViolations,
  minMax,
  variance,
} from '../src/index.ts';

/** Loads of 1 to 64 experts, at least one of them not 0. */
const someLoads = fc
  .array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 64 })
  .filter((counts) => counts.some((count) => count > 0));

/** The measures that differ from the expected ones by more than `atol + rtol |expected|`; null expects NaN. */
function strayed(
  actual: { readonly [measure: string]: number },
  expected: { readonly [measure: string]: number | null },
  atol: number,
  rtol: number,
): string[] {
  return Object.entries(expected)
    .filter(([measure, value]) => {
      if (value === null) return !Number.isNaN(actual[measure]);
      return !(Math.abs(actual[measure]! - value) <= atol + rtol * Math.abs(value));
    })
    .map(([measure, value]) => `${measure}: ${actual[measure]}, not ${value}`);
}

describe('against naive definitions', () => {
  test('gini is half the mean absolute difference of all pairs over the mean', () => {
    fc.assert(
      fc.property(someLoads, (counts) => {
        const mean = counts.reduce((a, b) => a + b) / counts.length;
        const differences = counts.flatMap((a) => counts.map((b) => Math.abs(a - b)));
        const meanDifference = differences.reduce((a, b) => a + b) / differences.length;
        expect(gini(counts)).toBeCloseTo(meanDifference / (2 * mean), 12);
      }),
    );
  });

  test('a hand-computed case', () => {
    // shares 1/2, 1/4, 1/4, 0
    const counts = [4, 2, 2, 0];
    // (-3 x 0 - 1 x 2 + 1 x 2 + 3 x 4) / (4 x 8)
    expect(gini(counts)).toBeCloseTo(12 / (4 * 8), 15);
    expect(minMax(counts)).toBe(0);
    expect(minMax([4, 2, 2, 1])).toBe(0.25);
    expect(minMax([4, 2, 2, 1], 1)).toBe(0.2);
    expect(variance(counts)).toBe(2);
    expect(variance(counts, 1)).toBeCloseTo(8 / 3, 15);
    expect(coefficientOfVariation(counts)).toBeCloseTo(Math.SQRT2 / 2, 15);
    expect(entropy(counts)).toBeCloseTo(1.5 / 2, 15);
    expect(effectiveExperts(counts)).toBeCloseTo(2 ** 1.5, 14);
    expect(klToUniform(counts)).toBeCloseTo(0.5 * Math.LN2, 15);
    expect(deadExperts(counts)).toBe(1);
    expect(deadFraction(counts)).toBe(0.25);
    expect(maxViolation(counts)).toBe(1);
  });
});

describe('properties', () => {
  test('scaling the loads changes no measure but the variance', () => {
    fc.assert(
      fc.property(someLoads, fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (counts, factor) => {
        const before = balanceReport(counts);
        const after = balanceReport(counts.map((count) => count * factor));
        expect(strayed({ ...after }, { ...before, variance: before.variance * factor ** 2 }, 1e-9, 1e-9)).toEqual([]);
      }),
    );
  });

  test('the order of the experts does not matter, and the input is left as it is', () => {
    const shuffled = someLoads.chain((counts) =>
      fc.tuple(fc.constant(counts), fc.shuffledSubarray(counts, { minLength: counts.length })),
    );
    fc.assert(
      fc.property(shuffled, ([counts, permuted]) => {
        const copy = [...permuted];
        const before = balanceReport(counts);
        const after = balanceReport(permuted);
        expect(strayed({ ...after }, { ...before }, 1e-9, 1e-9)).toEqual([]);
        expect(permuted).toEqual(copy);
      }),
    );
  });

  test('every measure stays within the bounds that the table gives', () => {
    fc.assert(
      fc.property(someLoads, (counts) => {
        for (const { key, of, bounds } of balanceMeasures) {
          const [lower, upper] = bounds(counts.length);
          expect(of(counts), key).toBeGreaterThanOrEqual(lower - 1e-12);
          expect(of(counts), key).toBeLessThanOrEqual(upper + 1e-9);
        }
        expect(deadExperts(counts)).toBe(counts.filter((count) => count === 0).length);
      }),
    );
  });

  test.each([1, 2, 7, 128])('extremes of %i experts', (experts) => {
    const equal = balanceReport(new Float64Array(experts).fill(3));
    expect(equal.gini).toBe(0);
    expect(equal.minMax).toBe(1);
    expect(equal.coefficientOfVariation).toBe(0);
    expect(equal.entropy).toBeCloseTo(1, 12);
    expect(equal.effectiveExperts).toBeCloseTo(experts, 9);
    expect(equal.klToUniform).toBeCloseTo(0, 12);
    expect(equal.maxViolation).toBe(0);

    const oneHot = new Uint32Array(experts);
    oneHot[0] = 1000;
    const collapsed = balanceReport(oneHot);
    expect(collapsed.gini).toBeCloseTo((experts - 1) / experts, 12);
    expect(collapsed.minMax).toBe(experts === 1 ? 1 : 0);
    expect(collapsed.coefficientOfVariation).toBeCloseTo(Math.sqrt(experts - 1), 9);
    expect(collapsed.effectiveExperts).toBe(1);
    expect(collapsed.klToUniform).toBeCloseTo(Math.log(experts), 12);
    expect(collapsed.deadExperts).toBe(experts - 1);
    expect(collapsed.maxViolation).toBeCloseTo(experts - 1, 12);
  });
});

describe('the table of measures', () => {
  test('names what a report holds, each once, with words for a reader', () => {
    const keys = balanceMeasures.map(({ key }) => key);
    expect(keys).toEqual(Object.keys(balanceReport([1, 2])));
    expect(new Set(balanceMeasures.map(({ title }) => title)).size).toBe(keys.length);
    for (const { title, meaning, decimals } of balanceMeasures) {
      expect(title.length).toBeLessThanOrEqual(12);
      expect(meaning).toMatch(/^[A-Za-z].*[^.]$/);
      expect(Number.isInteger(decimals) && decimals >= 0).toBe(true);
    }
    expect(balanceMeasures.filter(({ tables }) => tables === 'short').map(({ title }) => title)).toEqual([
      'Gini',
      'min-max',
      'MaxVio',
    ]);
  });

  test('says which bound is balance, and a load that is taken from one expert for another goes away from it', () => {
    for (const { key, of, bounds, growsWithBalance } of balanceMeasures) {
      const [lower, upper] = bounds(8);
      expect(of(new Float64Array(8).fill(5)), key).toBeCloseTo(growsWithBalance ? upper : lower, 12);
      const [even, uneven, collapsed] = [
        [5, 5, 5, 5, 5, 5, 5, 5],
        [5, 5, 5, 5, 5, 5, 0, 10],
        [0, 0, 0, 0, 0, 0, 0, 40],
      ].map((counts) => (growsWithBalance ? -1 : 1) * of(counts)) as [number, number, number];
      expect(even, key).toBeLessThan(uneven);
      expect(uneven, key).toBeLessThanOrEqual(collapsed);
    }
  });
});

describe('layers', () => {
  test('mean and worst are taken measure by measure, in the direction of imbalance', () => {
    const report = layersReport([
      [10, 10, 10, 10],
      [40, 0, 0, 0],
      [1, 2, 3, 4],
    ]);
    expect(report.layers).toHaveLength(3);
    expect(report.worst).toEqual(report.layers[1]);
    expect(report.mean.gini).toBeCloseTo((0 + 0.75 + 0.25) / 3, 12);
    expect(report.mean.minMax).toBeCloseTo((1 + 0 + 0.25) / 3, 12);
  });

  test('layers imbalanced oppositely are not pooled', () => {
    const report = layersReport([
      [10, 0],
      [0, 10],
    ]);
    expect(report.mean.gini).toBe(0.5);
    expect(report.mean.deadExperts).toBe(1);
  });
});

describe('no load, and loads that are none', () => {
  test('without any token the shares are undefined, and every expert is dead', () => {
    const report = balanceReport([0, 0, 0]);
    expect(report).toEqual({
      gini: Number.NaN,
      minMax: 0,
      coefficientOfVariation: Number.NaN,
      entropy: Number.NaN,
      effectiveExperts: Number.NaN,
      klToUniform: Number.NaN,
      deadExperts: 3,
      deadFraction: 1,
      maxViolation: Number.NaN,
      variance: 0,
    });
  });

  test.each([
    [[], 'counts is empty'],
    [[1, -1], 'counts[1] is -1'],
    [[1, 2, Number.NaN], 'counts[2] is NaN'],
    [[Infinity], 'counts[0] is Infinity'],
  ])('%j is refused', (counts, message) => {
    for (const measure of [...balanceMeasures.map(({ of }) => of), balanceReport])
      expect(() => measure(counts)).toThrow(message);
  });

  test('layersReport names the layer', () => {
    expect(() => layersReport([])).toThrow('at least one layer');
    expect(() => layersReport([[1], [-2]])).toThrow('countsPerLayer[1][0] is -2');
  });
});

describe('MaxVio over batches', () => {
  test('of equally large batches is at most their mean, since busy experts change', () => {
    const batch = fc
      .array(fc.nat({ max: 100 }), { minLength: 5, maxLength: 5 })
      .map((counts) => [...counts, 500 - counts.reduce((a, b) => a + b)]);
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 6 }), (batches) => {
        const { batch, worstBatch, global } = maxViolations(batches);
        const each = batches.map(maxViolation);
        expect(batch).toBeCloseTo(each.reduce((a, b) => a + b) / each.length, 10);
        expect(worstBatch).toBe(Math.max(...each));
        expect(global).toBeLessThanOrEqual(batch + 1e-9);
      }),
    );
    expect(maxViolations([[4, 0], [0, 4]])).toEqual({ batch: 1, worstBatch: 1, global: 0 }); // biome-ignore format: a matrix
    expect(() => maxViolations([])).toThrow('batches is empty');
    expect(() => maxViolations([[1], [1, 2]])).toThrow('batches[1] has 2 entries, but batches[0] has 1');
  });
});

test('experts a token are those that it went to, mean over layers, whatever k was set to', () => {
  expect(expertsPerToken([[1, 3], [4, 4]], 4)).toBe(1.5); // biome-ignore format: layers
  expect(expertsPerToken([[0, 0]], 4)).toBe(0);
  expect(expertsPerToken([], 4)).toBeNaN();
  expect(expertsPerToken([[1]], 0)).toBeNaN();
});
