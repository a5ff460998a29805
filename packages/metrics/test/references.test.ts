import { describe, expect, test } from 'vitest';
import {
  type BalanceKey,
  balanceMeasures,
  type BalanceReport,
  balanceReport,
  isotropicNull,
  layersReport,
  ReferenceLevel,
  referenceLevels,
  samplingFloor,
} from '../src/index.ts';
import { isotropicLoads } from '../src/isotropic-null.ts';
import { Random } from '../src/random.ts';
import { uniformLoads } from '../src/sampling-floor.ts';
import { plainCosineLoads, plainUniformLoads } from './plain-routing.ts';

/** Mean and standard deviation of a measure. */
function spreadOf(reports: readonly BalanceReport[], key: BalanceKey): { mean: number; deviation: number } {
  const values = reports.map((report) => report[key]);
  const mean = values.reduce((a, b) => a + b) / values.length;
  const squares = values.reduce((a, b) => a + (b - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** The measures whose means differ by more than four standard errors, or whose deviations by more than a factor. */
function strayed(a: readonly BalanceReport[], b: readonly BalanceReport[], factor: number): string[] {
  return balanceMeasures.flatMap(({ key }) => {
    const [x, y] = [spreadOf(a, key), spreadOf(b, key)];
    const error = Math.hypot(x.deviation / Math.sqrt(a.length), y.deviation / Math.sqrt(b.length));
    const same = Math.abs(x.mean - y.mean) <= 4 * error + 1e-12;
    const alike = x.deviation <= factor * y.deviation + 1e-12 && y.deviation <= factor * x.deviation + 1e-12;
    return same && alike ? [] : [`${key}: ${x.mean} +- ${x.deviation}, not ${y.mean} +- ${y.deviation}`];
  });
}

const reportsOf = (length: number, loads: () => Float64Array): BalanceReport[] =>
  Array.from({ length }, () => balanceReport(loads()));

describe('sampling floor', () => {
  test.each([
    { experts: 8, topK: 1, tokens: 20 },
    { experts: 8, topK: 2, tokens: 300 },
    { experts: 40, topK: 1, tokens: 2000 },
    { experts: 64, topK: 8, tokens: 1000 },
    { experts: 12, topK: 11, tokens: 50 },
    { experts: 100, topK: 7, tokens: 5 },
  ])('loads are those of single tokens: $experts-$topK, $tokens tokens', (shape) => {
    const random = new Random(5);
    const fast = reportsOf(1500, () => uniformLoads(random, shape));
    const plain = reportsOf(1500, () => plainUniformLoads(random, shape));
    expect(strayed(fast, plain, 1.15)).toEqual([]);
  });

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
    const floor = samplingFloor({ experts: 24, topK: 3, tokens: 50_000_000 });
    // The mean of 1000 layers strays by about sqrt(2 / (1000 (M - 1))) of the value.
    expect(Math.abs(floor.expected.variance / (50e6 * (1 / 8) * (7 / 8)) - 1)).toBeLessThan(4 * Math.sqrt(2 / 23_000));
  });

  test('gini at many tokens is that of normal counts, sigma / (mean sqrt(pi))', () => {
    const tokens = 1024;
    const p = 8 / 128;
    const expected = Math.sqrt((1 - p) / (tokens * p * Math.PI));
    const { layer } = samplingFloor({ experts: 128, topK: 8, tokens, seed: 1 });
    expect(Math.abs(layer.gini.mean / expected - 1)).toBeLessThan(0.01);
    expect(layer.gini.low).toBeLessThan(0.95 * expected);
    expect(layer.gini.low).toBeGreaterThan(0.8 * expected);
    expect(layer.gini.high).toBeGreaterThan(1.05 * expected);
    expect(layer.gini.high).toBeLessThan(1.2 * expected);
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
  // Measured independently (PyTorch) at 98,304 tokens with latents of width 16, one draw of keys each.
  test.each([
    { experts: 128, topK: 8, gini: 0.038, minMax: 0.74 },
    { experts: 512, topK: 1, gini: 0.085, minMax: 0.402 },
  ])('$experts experts, top-$topK', ({ experts, topK, gini, minMax }) => {
    const { layer } = isotropicNull({ experts, topK, latentDim: 16, tokens: 98_304, seed: 11 });
    expect(Math.abs(layer.gini.mean - gini)).toBeLessThan(0.006);
    expect(Math.abs(layer.minMax.mean - minMax)).toBeLessThan(0.06);
    expect(layer.gini.low).toBeLessThan(gini);
    expect(layer.gini.high).toBeGreaterThan(gini);
  });

  // Below and above the number of latents that are simulated.
  test.each([
    { experts: 6, topK: 1, latentDim: 2, tokens: 3, draws: 1000 },
    { experts: 12, topK: 3, latentDim: 4, tokens: 500, draws: 200 },
    { experts: 12, topK: 3, latentDim: 4, tokens: 5000, draws: 60 },
    { experts: 40, topK: 1, latentDim: 16, tokens: 6000, draws: 40 },
    { experts: 40, topK: 6, latentDim: 8, tokens: 6000, draws: 40 },
  ])('loads are those of single tokens: $experts-$topK in $latentDim, $tokens tokens', ({ draws, ...shape }) => {
    const random = new Random(9);
    const fast = isotropicLoads(random, shape, 2 * draws).map((loads) => balanceReport(loads));
    const plain = reportsOf(draws, () => plainCosineLoads(random, shape));
    expect(strayed(fast, plain, 1.7)).toEqual([]);
  });

  test('beyond some tokens only the geometry of the keys is left', () => {
    const level = (tokens: number) => isotropicNull({ experts: 16, topK: 2, latentDim: 8, tokens }).layer.gini.mean;
    const [few, many, most] = [level(5000), level(1e7), level(1e12)] as const;
    expect(few).toBeGreaterThan(many);
    expect(many).toBeGreaterThan(0.01);
    expect(Math.abs(most / many - 1)).toBeLessThan(0.01);
  });

  test('half of all experts: a latent and its opposite share them, so that sampling noise alone is left', () => {
    // A key is chosen by a latent or by its opposite, so every expert's share is a half, whatever the keys.
    const settings = { experts: 8, topK: 4, tokens: 20_000 };
    const { variance } = isotropicNull({ ...settings, latentDim: 4 }).expected;
    expect(Math.abs(variance / (20_000 / 4) - 1)).toBeLessThan(4 * Math.sqrt(2 / (32 * 7)));
  });

  test('on a line, keys on the same side share tokens: half of all tokens reach a lone key', () => {
    // D = 1: keys are +1 or -1, so a token's sign decides; ties go to the first key. Two opposite keys halve the
    // tokens.
    for (const tokens of [4000, 400_000]) {
      const levels = isotropicLoads(new Random(3), { experts: 2, topK: 1, latentDim: 1, tokens }, 20);
      const opposite = levels.map((loads) => balanceReport(loads)).filter(({ deadExperts }) => deadExperts === 0);
      expect(opposite.length).toBeGreaterThan(3);
      expect(levels.length - opposite.length).toBeGreaterThan(3);
      for (const { gini } of opposite) expect(gini).toBeLessThan(0.03);
    }
  });

  test('a single expert has everything', () => {
    const { layer } = isotropicNull({ experts: 1, topK: 1, latentDim: 3, tokens: 10_000 });
    expect(layer.gini).toEqual({ mean: 0, low: 0, high: 0 });
  });
});

describe('levels of a model', () => {
  const settings = { experts: 16, topK: 2, latentDim: 4, tokens: 300 };

  test('have both references for one number of tokens, and the same for the same seed', () => {
    const levels = referenceLevels({ ...settings, seed: 5 });
    expect(levels.tokens).toBe(300);
    expect(levels).toEqual(referenceLevels({ ...settings, seed: 5 }));
    for (const level of ['samplingFloor', 'isotropicNull'] as const) {
      expect(levels[level].layer).not.toEqual(referenceLevels({ ...settings, seed: 6 })[level].layer);
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

  test('of several layers: the mean varies less than a layer, the worst is worse', () => {
    const { layer, mean, worst } = samplingFloor({ ...settings, layers: 9 });
    for (const { key, growsWithBalance } of balanceMeasures.filter(({ key }) => !key.startsWith('dead'))) {
      const width = (range: { low: number; high: number }): number => range.high - range.low;
      expect(width(mean[key]) / width(layer[key])).toBeGreaterThan(0.25);
      expect(width(mean[key]) / width(layer[key])).toBeLessThan(0.45);
      expect(Math.abs(mean[key].mean - layer[key].mean)).toBeLessThan(0.1 * width(layer[key]));
      expect(growsWithBalance ? layer[key].mean > worst[key].high : layer[key].mean < worst[key].low).toBe(true);
    }
    // Against layers that are simulated together.
    const random = new Random(8);
    const models = Array.from({ length: 400 }, () =>
      layersReport(Array.from({ length: 9 }, () => uniformLoads(random, settings))),
    );
    for (const of of ['mean', 'worst'] as const) {
      const ginis = models.map((model) => model[of].gini).toSorted((a, b) => a - b);
      const range = { mean, worst }[of].gini;
      const average = ginis.reduce((a, b) => a + b) / ginis.length;
      expect(Math.abs(range.mean / average - 1)).toBeLessThan(0.02);
      expect(Math.abs(range.low / ginis[10]! - 1)).toBeLessThan(0.06);
      expect(Math.abs(range.high / ginis[389]! - 1)).toBeLessThan(0.06);
    }
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
    expect([1, 1 / 3, 0.1, -1].map((minMax) => level.pValue('minMax', minMax))).toEqual([1, 3 / 4, 2 / 4, 1 / 4]);
    expect(level.pValue('gini', Number.NaN)).toBeNaN();
  });

  test('of uniform routers are uniform, of a layer, of a mean and of the worst', () => {
    const settings = { experts: 16, topK: 2, tokens: 400 };
    const floor = samplingFloor({ ...settings, layers: 4 });
    const random = new Random(77);
    const reports = Array.from({ length: 600 }, () =>
      layersReport(Array.from({ length: 4 }, () => plainUniformLoads(random, settings))),
    );
    for (const key of ['gini', 'minMax', 'maxViolation'] as const) {
      for (const of of ['layer', 'mean', 'worst'] as const) {
        const values = reports.map(({ layers, mean, worst }) => ({ layer: layers[0]!, mean, worst })[of][key]);
        for (const level of [0.5, 0.1]) {
          const share = values.filter((value) => floor.pValue(key, value, of) <= level).length / values.length;
          expect(Math.abs(share - level)).toBeLessThan(5 * Math.sqrt((level * (1 - level)) / 600) + 0.02);
        }
      }
    }
  });

  test('of what no uniform router would do are as small as the simulation allows', () => {
    const floor = samplingFloor({ experts: 16, topK: 2, tokens: 5000 });
    expect(floor.pValue('gini', 0.5)).toBe(1 / 1001);
    expect(floor.pValue('entropy', 0.5)).toBe(1 / 1001);
    expect(floor.pValue('gini', 0)).toBe(1);
  });
});

test('settings that make no sense are refused by name', () => {
  const good = { experts: 8, topK: 2, tokens: 10, seed: 0, latentDim: 4 };
  for (const level of [samplingFloor, isotropicNull, referenceLevels]) {
    expect(() => level({ ...good, topK: 9 })).toThrow('topK is 9, but there are only 8 experts');
    expect(() => level({ ...good, experts: 0 })).toThrow('experts is 0');
    expect(() => level({ ...good, tokens: 1.5 })).toThrow('tokens is 1.5');
    expect(() => level({ ...good, seed: -1 })).toThrow('seed is -1');
    expect(() => level({ ...good, layers: 0 })).toThrow('layers is 0');
  }
  expect(() => isotropicNull({ ...good, latentDim: 0 })).toThrow('latentDim is 0');
});
