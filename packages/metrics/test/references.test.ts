import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashRouting, isotropicNull, samplingFloor } from '../src/index.ts';
import { Random } from '../src/random.ts';

describe('random numbers', () => {
  test('xoshiro128** gives the published sequence', () => {
    // First outputs from the state 1, 2, 3, 4: the C reference's, as also tested by the Rust crate rand_xoshiro.
    const random = Random.fromState([1, 2, 3, 4]);
    const outputs = Array.from({ length: 10 }, () => random.next());
    expect(outputs).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  test('normal numbers have mean 0, variance 1 and fourth moment 3', () => {
    const random = new Random(7);
    const n = 200_000;
    const moments = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const x = random.normal();
      for (let p = 0; p < 4; p++) moments[p]! += x ** (p + 1) / n;
    }
    expect(Math.abs(moments[0]!)).toBeLessThan(0.01);
    expect(Math.abs(moments[1]! - 1)).toBeLessThan(0.02);
    expect(Math.abs(moments[2]!)).toBeLessThan(0.04);
    expect(Math.abs(moments[3]! - 3)).toBeLessThan(0.1);
  });

  test('both halves of the seed count', () => {
    const start = (seed: number) => {
      const random = new Random(seed);
      return [random.next(), random.next(), random.next()].join();
    };
    expect(new Set([0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 33].map(start)).size).toBe(6);
    expect(() => new Random(-1)).toThrow('seed is -1');
  });
});

describe('sampling floor', () => {
  test('the expected variance of a count is T p (1 - p) with p = k / M', () => {
    const small = fc.record({
      experts: fc.integer({ min: 2, max: 40 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(small, ({ experts, share, seed }) => {
        const topK = 1 + Math.floor(share * (experts - 2));
        const p = topK / experts;
        const floor = samplingFloor({ experts, topK, tokens: 500, trials: 400, seed });
        // The mean of 400 trials strays by about sqrt(2 / (400 (M - 1))) of the value.
        const sigma = Math.sqrt(2 / (400 * (experts - 1)));
        expect(Math.abs(floor.variance / (500 * p * (1 - p)) - 1)).toBeLessThan(6 * sigma);
      }),
      { numRuns: 20 },
    );
  });

  test('gini at many tokens is that of normal counts, sigma / (mean sqrt(pi))', () => {
    const tokens = 1024;
    const p = 8 / 128;
    const expected = Math.sqrt((1 - p) / (tokens * p * Math.PI));
    const floor = samplingFloor({ experts: 128, topK: 8, tokens, trials: 64, seed: 1 });
    expect(Math.abs(floor.gini / expected - 1)).toBeLessThan(0.02);
  });

  test('routing to all experts is balanced exactly', () => {
    const floor = samplingFloor({ experts: 5, topK: 5, tokens: 33, seed: 3 });
    expect(floor.gini).toBe(0);
    expect(floor.minMax).toBe(1);
  });

  test('one token with k of M leaves M - k dead', () => {
    expect(samplingFloor({ experts: 10, topK: 3, tokens: 1, seed: 3 }).deadExperts).toBe(7);
  });

  test('same seed, same figures', () => {
    const settings = { experts: 16, topK: 2, tokens: 300 };
    expect(samplingFloor({ ...settings, seed: 5 })).toEqual(samplingFloor({ ...settings, seed: 5 }));
    expect(samplingFloor({ ...settings, seed: 5 })).not.toEqual(samplingFloor({ ...settings, seed: 6 }));
  });
});

describe('isotropic null', () => {
  // Measured independently (PyTorch) at 98,304 tokens with latents of width 16.
  test.each([
    { experts: 128, topK: 8, gini: 0.038, minMax: 0.74 },
    { experts: 512, topK: 1, gini: 0.085, minMax: 0.402 },
  ])('$experts experts, top-$topK', ({ experts, topK, gini, minMax }) => {
    const level = isotropicNull({ experts, topK, latentDim: 16, tokens: 98_304, seed: 11 });
    expect(Math.abs(level.gini - gini)).toBeLessThan(0.008);
    expect(Math.abs(level.minMax - minMax)).toBeLessThan(0.1);
  });

  test('on a line, keys on the same side share tokens: half of all tokens reach a lone key', () => {
    // D = 1: keys are +1 or -1, so a token's sign decides; ties go to the first key. Two opposite keys halve the
    // tokens.
    const levels = Array.from({ length: 20 }, (_, seed) =>
      isotropicNull({ experts: 2, topK: 1, latentDim: 1, tokens: 4000, seed }),
    );
    const opposite = levels.filter((level) => level.deadExperts === 0);
    expect(opposite.length).toBeGreaterThan(3);
    expect(levels.length - opposite.length).toBeGreaterThan(3);
    for (const level of opposite) expect(level.gini).toBeLessThan(0.03);
  });

  test('same seed, same figures', () => {
    const settings = { experts: 16, topK: 2, latentDim: 4, tokens: 300 };
    expect(isotropicNull({ ...settings, seed: 5 })).toEqual(isotropicNull({ ...settings, seed: 5 }));
    expect(isotropicNull({ ...settings, seed: 5 })).not.toEqual(isotropicNull({ ...settings, seed: 6 }));
  });
});

test('settings that make no sense are refused by name', () => {
  const good = { experts: 8, topK: 2, tokens: 10, seed: 0, latentDim: 4 };
  for (const level of [samplingFloor, isotropicNull]) {
    expect(() => level({ ...good, topK: 9 })).toThrow('topK is 9, but there are only 8 experts');
    expect(() => level({ ...good, experts: 0 })).toThrow('experts is 0');
    expect(() => level({ ...good, tokens: 1.5 })).toThrow('tokens is 1.5');
    expect(() => level({ ...good, seed: -1 })).toThrow('seed is -1');
  }
  expect(() => isotropicNull({ ...good, latentDim: 0 })).toThrow('latentDim is 0');
  expect(() => samplingFloor({ ...good, trials: 0 })).toThrow('trials is 0');
});

describe('hash routing', () => {
  const tokenIds = Int32Array.from({ length: 4000 }, (_, t) => Math.floor(Math.sqrt(t)));

  test('is as balanced as the frequencies of the ids allow', () => {
    // Every id once: random tables, which is the sampling floor.
    const distinct = Int32Array.from({ length: 4000 }, (_, t) => t);
    const settings = { experts: 16, topK: 2, seed: 5 };
    const hashed = hashRouting({ ...settings, tokenIds: distinct });
    expect(hashed.gini).toBeCloseTo(samplingFloor({ ...settings, tokens: 4000 }).gini, 2);
    // A single id: its k experts get all.
    expect(hashRouting({ ...settings, tokenIds: new Int32Array(50) })).toMatchObject({
      deadFraction: 14 / 16,
      minMax: 0,
      gini: 14 / 16,
    });
    expect(hashRouting({ ...settings, tokenIds }).gini).toBeGreaterThan(2 * hashed.gini);
  });

  test('gives the same figures for the same seed, whatever the order of the tokens', () => {
    const settings = { experts: 8, topK: 1, seed: 9 };
    const figures = hashRouting({ ...settings, tokenIds });
    expect(hashRouting({ ...settings, tokenIds: [...tokenIds] })).toEqual(figures);
    expect(hashRouting({ ...settings, seed: 10, tokenIds })).not.toEqual(figures);
    expect(() => hashRouting({ ...settings, tokenIds: [] })).toThrow('tokens is 0');
    expect(() => hashRouting({ ...settings, trials: 0, tokenIds })).toThrow('trials is 0');
  });
});
