/** Random numbers against the definition of Philox in plain integers, and against their distributions. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { philox4x32 } from '../src/random.ts';
import { type KernelDevice, onThreads, openDevice } from './kernel-device.ts';

let device: KernelDevice;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

/** Philox4x32-10 as its paper defines it (Salmon et al. 2011, section 3.3), in plain integers. */
function philox(counter: readonly number[], key: readonly number[]): number[] {
  const product = (a: number, b: number): [number, number] => {
    const p = BigInt(a) * BigInt(b);
    return [Number(p >> 32n), Number(p & 0xffffffffn)];
  };
  let [c0, c1, c2, c3] = counter as [number, number, number, number];
  let [k0, k1] = key as [number, number];
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = product(0xd2511f53, c0);
    const [high1, low1] = product(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

async function draw(on: KernelDevice, distribution: 'uniform' | 'normal', count: number, keyLow = 0, keyHigh = 0) {
  const out = on.empty(count);
  on.kernels.random({ out, distribution, count, keyLow, keyHigh });
  return on.readF32(out);
}

describe('the reference and the package on the host held to the known answers of the Random123 distribution', () => {
  test.each([
    ['00000000 00000000 00000000 00000000', '00000000 00000000', '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    ['ffffffff ffffffff ffffffff ffffffff', 'ffffffff ffffffff', '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    ['243f6a88 85a308d3 13198a2e 03707344', 'a4093822 299f31d0', 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ])('counter %s, key %s', (counter, key, answer) => {
    const words = (text: string): number[] => text.split(' ').map((word) => Number.parseInt(word, 16));
    expect(philox(words(counter), words(key))).toEqual(words(answer));
    const [c0, c1, c2, c3] = words(counter);
    const [k0, k1] = words(key);
    expect(philox4x32([c0!, c1!, c2!, c3!], [k0!, k1!])).toEqual(words(answer));
  });
});

test.each([
  [0, 0],
  [0xffffffff, 0xffffffff],
  [0xa4093822, 0x299f31d0],
  [1, 0x80000000],
])('uniform draws the upper 24 bits of Philox, key %i %i', async (keyLow, keyHigh) => {
  const got = await draw(device, 'uniform', 20_003, keyLow, keyHigh);
  for (let block = 0; block < 5001; block++) {
    const expected = philox([block, 0, 0, 0], [keyLow, keyHigh]).map((u) => (u >>> 8) * 2 ** -24);
    expect(Array.from(got.slice(4 * block, 4 * block + 4))).toEqual(expected.slice(0, got.length - 4 * block));
  }
});

test('normal is Box-Muller of the same stream', async () => {
  const key = [123456789, 987654321];
  const got = await draw(device, 'normal', 40_001, key[0], key[1]);
  let worst = 0;
  for (let block = 0; block < 10_001; block++) {
    const u = philox([block, 0, 0, 0], key);
    for (let i = 0; i < 4 && 4 * block + i < got.length; i++) {
      const pair = i & 2;
      const radius = Math.sqrt(-2 * Math.log(((u[pair]! >>> 8) + 1) * 2 ** -24));
      const angle = 2 * Math.PI * (u[pair + 1]! >>> 8) * 2 ** -24;
      const expected = radius * (i & 1 ? Math.sin(angle) : Math.cos(angle));
      worst = Math.max(worst, Math.abs(got[4 * block + i]! - expected) / radius);
    }
  }
  // Four units in the last place of the radius.
  expect(worst).toBeLessThan(4 * 2 ** -23);
});

test.each([0, 1, 2, 3, 4, 5, 15, 16, 17, 8191, 8192, 8193])(
  'the first %i numbers begin the longer stream',
  async (count) => {
    for (const distribution of ['uniform', 'normal'] as const) {
      const long = await draw(device, distribution, 8200, 7, 8);
      expect(await draw(device, distribution, count, 7, 8)).toEqual(long.slice(0, count));
    }
  },
);

/** Distance of Kolmogorov and Smirnov between a sample and a distribution, times the root of the sample's size. */
function kolmogorovSmirnov(sample: Float32Array, cumulative: (x: number) => number): number {
  const sorted = Float32Array.from(sample).toSorted();
  let distance = 0;
  sorted.forEach((x, i) => {
    const p = cumulative(x);
    distance = Math.max(distance, p - i / sorted.length, (i + 1) / sorted.length - p);
  });
  return distance * Math.sqrt(sorted.length);
}

/** Cumulative normal distribution by its series around 0 (Marsaglia 2004). */
function normalCumulative(x: number): number {
  let term = x;
  let sum = x;
  for (let i = 3; i < 300; i += 2) {
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

const mean = (values: Float32Array, f: (x: number) => number): number =>
  values.reduce((sum, x) => sum + f(x), 0) / values.length;

// The bounds lie four standard errors out; Kolmogorov's 1.95 is passed by one sample in a thousand, and the keys are
// fixed.
describe.each([
  [1, 2],
  [0xdeadbeef, 0],
])('200,000 numbers under the key %i %i', (keyLow, keyHigh) => {
  const count = 200_000;
  test('are uniform', async () => {
    const x = await draw(device, 'uniform', count, keyLow, keyHigh);
    expect(x.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(Math.abs(mean(x, (v) => v) - 0.5)).toBeLessThan(4 * Math.sqrt(1 / 12 / count));
    expect(Math.abs(mean(x, (v) => (v - 0.5) ** 2) - 1 / 12)).toBeLessThan(4 * Math.sqrt(1 / 180 / count));
    expect(kolmogorovSmirnov(x, (v) => v)).toBeLessThan(1.95);
  });
  test('are normal', async () => {
    const x = await draw(device, 'normal', count, keyLow, keyHigh);
    expect(Math.abs(mean(x, (v) => v))).toBeLessThan(4 / Math.sqrt(count));
    expect(Math.abs(mean(x, (v) => v * v) - 1)).toBeLessThan(4 * Math.sqrt(2 / count));
    expect(Math.abs(mean(x, (v) => v ** 3))).toBeLessThan(4 * Math.sqrt(15 / count));
    expect(Math.abs(mean(x, (v) => v ** 4) - 3)).toBeLessThan(4 * Math.sqrt(96 / count));
    expect(kolmogorovSmirnov(x, normalCumulative)).toBeLessThan(1.95);
    // Neighbours (the two of a pair, two pairs, two blocks) are uncorrelated.
    for (const lag of [1, 2, 4]) {
      const products = x.slice(lag).map((v, i) => v * x[i]!);
      expect(Math.abs(mean(products, (v) => v))).toBeLessThan(4 / Math.sqrt(count));
    }
  });
});

test('the same bits on any number of threads, with and without relaxed SIMD', async () => {
  const plain = await openDevice(1, false);
  for (const distribution of ['uniform', 'normal'] as const) {
    const expected = await draw(plain, distribution, 20_001, 3, 4);
    for (const got of await onThreads((on) => draw(on, distribution, 20_001, 3, 4))) expect(got).toEqual(expected);
  }
  await plain.close();
});
