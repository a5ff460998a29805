import { describe, expect, test } from 'vitest';
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

  test('uniform, bounded and normal numbers are made of those bits', () => {
    // The second word decides the first output: 0 here.
    expect(Random.fromState([1, 0, 2, 3]).uniform()).toBe(2 ** -33);
    const [bits, random] = [new Random(8), new Random(8)];
    for (let i = 0; i < 20; i++) {
      expect(random.uniform()).toBe((bits.next() + 0.5) / 2 ** 32);
      expect(random.below(1000)).toBe(Math.floor((bits.next() / 2 ** 32) * 1000));
      const [u, turn] = [(bits.next() + 1) / 2 ** 32, bits.next() / 2 ** 32];
      const radius = Math.sqrt(-2 * Math.log(u));
      expect(random.normal()).toBeCloseTo(radius * Math.cos(2 * Math.PI * turn), 12);
      expect(random.normal()).toBeCloseTo(radius * Math.sin(2 * Math.PI * turn), 12);
    }
  });

  test('a binomial number of small mean is where the distribution reaches a uniform number', () => {
    const [bits, random] = [new Random(8), new Random(8)];
    for (const [trials, probability] of [
      [1, 0.5],
      [3, 0.2],
      [9, 0.45],
      [100, 0.05],
      [6, 0.01],
    ] as const) {
      // biome-ignore format: a list
      for (let i = 0; i < 60; i++) {
        const uniform = bits.uniform();
        let [reached, mass, successes] = [0, (1 - probability) ** trials, 0];
        for (; reached + mass < uniform; successes++) {
          reached += mass;
          mass *= ((trials - successes) / (successes + 1)) * (probability / (1 - probability));
        }
        expect(random.binomial(trials, probability)).toBe(successes);
      }
    }
  });

  test('normal numbers have mean 0, variance 1 and fourth moment 3', () => {
    const random = new Random(7);
    const n = 50_000;
    const moments = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) {
      const x = random.normal();
      for (let p = 0; p < 4; p++) moments[p]! += x ** (p + 1) / n;
    }
    expect(Math.abs(moments[0]!)).toBeLessThan(0.02);
    expect(Math.abs(moments[1]! - 1)).toBeLessThan(0.03);
    expect(Math.abs(moments[2]!)).toBeLessThan(0.07);
    expect(Math.abs(moments[3]! - 3)).toBeLessThan(0.2);
  });

  // Both methods (a mean below 10, and above), and a probability above a half.
  test.each([
    [7, 0.3],
    [40, 0.2],
    [60, 0.25],
    [1000, 0.02],
    [30, 0.9],
    [45, 0.5],
  ])('binomial numbers of %i trials at %f follow the binomial distribution', (trials, probability) => {
    const random = new Random(trials);
    const n = 10_000;
    const seen = new Float64Array(trials + 1);
    for (let i = 0; i < n; i++) seen[random.binomial(trials, probability)]!++;
    let mass = (1 - probability) ** trials;
    let [statistic, cells, rest] = [0, 0, n];
    for (let successes = 0; successes <= trials; successes++) {
      if (n * mass > 10) {
        statistic += (seen[successes]! - n * mass) ** 2 / (n * mass);
        rest -= seen[successes]!;
        cells++;
      }
      mass *= ((trials - successes) / (successes + 1)) * (probability / (1 - probability));
    }
    // Chi-square: mean about its cells, deviation sqrt(2 cells).
    expect(statistic).toBeLessThan(cells + 5 * Math.sqrt(2 * cells));
    expect(rest).toBeLessThan(0.02 * n);
  });

  test('binomial numbers of billions of trials have the right mean and variance', () => {
    const random = new Random(2);
    const [trials, probability, n] = [5e9, 0.3, 20_000];
    const deviations = Array.from(
      { length: n },
      () => (random.binomial(trials, probability) - trials * probability) / Math.sqrt(trials * 0.3 * 0.7),
    );
    expect(Math.abs(deviations.reduce((a, b) => a + b) / n)).toBeLessThan(4 / Math.sqrt(n));
    expect(Math.abs(deviations.reduce((a, b) => a + b * b, 0) / n - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
  });

  test('binomial numbers at the edges are certain', () => {
    const random = new Random(1);
    expect([0, 5, 1e6].map((trials) => random.binomial(trials, 1))).toEqual([0, 5, 1e6]);
    expect([0, 5, 1e6].map((trials) => random.binomial(trials, 0))).toEqual([0, 0, 0]);
    expect(random.binomial(0, 0.3)).toBe(0);
    // What is certain takes no random number.
    expect(random.next()).toBe(new Random(1).next());
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
