/** Reference levels and p-values; references.slow.test.ts holds them to simulations token by token. */
import { describe, expect, test } from 'vitest';
import { balanceMeasures, isotropicNull, ReferenceLevel, referenceLevels, samplingFloor } from '../src/index.ts';
import { Random } from '../src/random.ts';
import { uniformLoads } from '../src/sampling-floor.ts';

describe('sampling floor', () => {
  test('every token goes to k distinct experts, each expert as often as any other', () => {
    const random = new Random(1);
    const shape = { experts: 9, topK: 4, tokens: 7 };
    const totals = new Float64Array(9);
    for (let layer = 0; layer < 2000; layer++) {
      const loads = uniformLoads(random, shape);
      expect(loads.reduce((a, b) => a + b)).toBe(28);
      expect(Math.max(...loads)).toBeLessThanOrEqual(7);
      loads.forEach((load, expert) => (totals[expert]! += load));
    }
    // Mean 2000 x 28 / 9, deviation sqrt(14000 x 4/9 x 5/9).
    for (const total of totals) expect(Math.abs(total - 56_000 / 9)).toBeLessThan(4 * 59);
  });

  test('the expected variance of a count is T p (1 - p) with p = k / M', () => {
    const floor = samplingFloor({ experts: 8, topK: 1, tokens: 50_000_000 });
    // The mean of 1000 layers strays by about sqrt(2 / (1000 (M - 1))) of the value.
    expect(Math.abs(floor.expected.variance / (50e6 * (1 / 8) * (7 / 8)) - 1)).toBeLessThan(4 * Math.sqrt(2 / 7000));
  });

  test('routing to all experts is balanced exactly', () => {
    const { gini, minMax } = samplingFloor({ experts: 5, topK: 5, tokens: 33, seed: 3 }).layer;
    expect(gini).toEqual({ mean: 0, low: 0, high: 0 });
    expect(minMax).toEqual({ mean: 1, low: 1, high: 1 });
  });

  test('one token with k of M leaves M - k dead', () => {
    const { deadExperts } = samplingFloor({ experts: 10, topK: 3, tokens: 1, seed: 3 }).layer;
    expect(deadExperts).toEqual({ mean: 7, low: 7, high: 7 });
  });
});

describe('isotropic null', () => {
  test('a single expert has everything', () => {
    const { layer } = isotropicNull({ experts: 1, topK: 1, latentDim: 3, tokens: 100 });
    expect(layer.gini).toEqual({ mean: 0, low: 0, high: 0 });
  });
});

describe('levels of a model', () => {
  const settings = { experts: 8, topK: 2, latentDim: 2, tokens: 60 };

  test('have both references for one number of tokens, and the same for the same seed', () => {
    const levels = referenceLevels({ ...settings, seed: 5 });
    const others = referenceLevels({ ...settings, seed: 6 });
    expect(levels.tokens).toBe(60);
    expect(levels).toEqual(referenceLevels({ ...settings, seed: 5 }));
    for (const level of ['samplingFloor', 'isotropicNull'] as const) {
      expect(levels[level].layer).not.toEqual(others[level].layer);
      for (const { key } of balanceMeasures) {
        const { low, mean, high } = levels[level].layer[key];
        expect([low, mean, high]).toEqual([low, mean, high].toSorted((a, b) => a - b));
        expect(levels[level].expected[key]).toBe(mean);
      }
    }
    expect(levels.samplingFloor.layer.gini.high).toBeLessThan(levels.isotropicNull.layer.gini.mean);
  });

  test('say nothing but numbers as JSON, and of one layer the same three times', () => {
    const level = samplingFloor(settings);
    const { simulated, layer, mean, worst } = level;
    expect(JSON.parse(JSON.stringify(level))).toEqual({ simulated, layer, mean, worst });
    expect([mean, worst]).toEqual([layer, layer]);
    expect(simulated).toBe(1000);
  });

  test('percentiles lie between the layers beside them', () => {
    // Ginis 0, 1/200, ..., 58/200: a new one is below the first with probability 1/60, so 2.5 per cent is half-way on.
    const rows = Array.from({ length: 59 }, (_, i) => Float64Array.of(100 - i, 100 + i));
    const { low, high } = new ReferenceLevel(rows, 1, new Random(0)).layer.gini;
    expect(low).toBeCloseTo(0.5 / 200, 12);
    expect(high).toBeCloseTo(57.5 / 200, 12);
  });

  test('of several layers are those of models put together from the simulated layers', () => {
    // Ginis 0 and 0.5. Of two layers the mean is 0.25 half of the time, the worst 0.5 three times out of four.
    const { layer, mean, worst } = new ReferenceLevel([[1, 1], [0, 4]].map((row) => Float64Array.from(row)), 2, new Random(0)); // biome-ignore format: a matrix
    expect([layer, mean, worst].map(({ gini: { low, high } }) => [low, high])).toEqual([[0, 0.5], [0, 0.5], [0, 0.5]]); // biome-ignore format: a matrix
    expect(layer.gini.mean).toBe(0.25);
    // Of 1000 models: the deviation of a mean is 0.0056 and 0.0068.
    expect(Math.abs(mean.gini.mean - 0.25)).toBeLessThan(0.025);
    expect(Math.abs(worst.gini.mean - 0.375)).toBeLessThan(0.03);
    // The worst has the smaller of the two min-maxes, 1 and 0.
    expect(Math.abs(worst.minMax.mean - 0.25)).toBeLessThan(0.06);
  });

  test('percentiles of few layers reach from the smallest to the largest', () => {
    const level = new ReferenceLevel([[1, 1], [1, 3], [0, 4]].map((row) => Float64Array.from(row)), 1, new Random(0)); // biome-ignore format: a matrix
    expect(level.layer.gini).toEqual({ mean: 0.25, low: 0, high: 0.5 });
  });
});

describe('p-values', () => {
  test('count the simulated layers that are as far from balance, in the direction of each measure', () => {
    const rows = [[1, 1], [1, 3], [0, 4]].map((row) => Float64Array.from(row)); // biome-ignore format: a matrix
    const level = new ReferenceLevel(rows, 1, new Random(0));
    expect([0, 0.25, 0.3, 0.6].map((gini) => level.pValue('gini', gini))).toEqual([1, 3 / 4, 2 / 4, 1 / 4]);
    expect([1, 1 / 3, 0.1, 0, -1].map((minMax) => level.pValue('minMax', minMax))).toEqual([1, 3 / 4, 2 / 4, 2 / 4, 1 / 4]); // biome-ignore format: a list
    expect(level.pValue('gini', Number.NaN)).toBeNaN();
  });

  test('of what no uniform router would do are as small as the simulation allows', () => {
    const floor = samplingFloor({ experts: 4, topK: 2, tokens: 5000 });
    expect(floor.pValue('gini', 0.5)).toBe(1 / 1001);
    expect(floor.pValue('entropy', 0.5)).toBe(1 / 1001);
    expect(floor.pValue('gini', 0)).toBe(1);
  });
});

test('settings that make no sense are refused by name', () => {
  const good = { experts: 8, topK: 2, tokens: 10, seed: 0, latentDim: 4 };
  for (const level of [samplingFloor, isotropicNull, referenceLevels]) {
    expect(() => level({ ...good, topK: 9 })).toThrow('topK is 9, but there are only 8 experts');
    expect(() => level({ ...good, experts: 0 })).toThrow('experts is 0; it must be an integer of at least 1');
    expect(() => level({ ...good, tokens: 1.5 })).toThrow('tokens is 1.5');
    expect(() => level({ ...good, seed: -1 })).toThrow('seed is -1');
    expect(() => level({ ...good, layers: 0 })).toThrow('layers is 0');
  }
  expect(() => isotropicNull({ ...good, latentDim: 0 })).toThrow('latentDim is 0');
});
