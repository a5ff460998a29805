/** Reference levels against simulations token by token, and their p-values against many uniform routers. */
import { describe, expect, test } from 'vitest';
import { balanceMeasures, balanceReport, isotropicNull, layersReport, samplingFloor } from '../src/index.ts';
import { isotropicLoads } from '../src/isotropic-null.ts';
import { Random } from '../src/random.ts';
import { uniformLoads } from '../src/sampling-floor.ts';
import { plainCosineLoads, plainUniformLoads } from './plain-routing.ts';
import { reportsOf, strayed } from './spread.ts';

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
});

describe('levels of a model', () => {
  const settings = { experts: 16, topK: 2, tokens: 300 };

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
});

describe('p-values', () => {
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
});
