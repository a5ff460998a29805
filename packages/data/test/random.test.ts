import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hash32, randomBelow, randomPermutation } from '../src/random.ts';

const SEED = fc.nat({ max: Number.MAX_SAFE_INTEGER });

describe('hash32', () => {
  // Published values of MurmurHash3 x86_32; the words are the little-endian bytes of the inputs named.
  it.each([
    ['', 0, [], 0],
    ['', 1, [], 0x514e28b7],
    ['', 0xffffffff, [], 0x81f16f39],
    ['00 00 00 00', 0, [0], 0x2362f9de],
    ['ff ff ff ff', 0, [0xffffffff], 0x76293b50],
    ['21 43 65 87', 0, [0x87654321], 0xf55b516b],
    ['21 43 65 87', 0x5082edee, [0x87654321], 0x2362f9de],
    ['"aaaa"', 0x9747b28c, [0x61616161], 0x5a97808a],
    ['"abcd"', 0x9747b28c, [0x64636261], 0xf0478627],
  ])('hashes %s under seed %i as published', (_, seed, words, expected) => {
    expect(hash32(seed, words)).toBe(expected);
  });
});

describe('randomBelow', () => {
  it('stays below its limit and depends on all bits of the seed', () => {
    fc.assert(
      fc.property(SEED, fc.integer({ min: 1, max: 2 ** 32 }), fc.nat(), (seed, limit, counter) => {
        const value = randomBelow(limit, seed, counter);
        expect(Number.isInteger(value) && value >= 0 && value < limit).toBe(true);
      }),
    );
    expect(randomBelow(2 ** 32, 5, 0)).not.toBe(randomBelow(2 ** 32, 5 + 2 ** 32, 0));
  });

  it('is uniform: a chi-squared test over 16 cells', () => {
    const draws = 16_000;
    const cells = new Float64Array(16);
    for (let counter = 0; counter < draws; counter++) {
      cells[randomBelow(16, 7, counter)]! += 1;
    }
    const expected = draws / cells.length;
    const chiSquared = cells.reduce((sum, seen) => sum + (seen - expected) ** 2 / expected, 0);
    // 15 degrees of freedom: 37.7 is passed once in a thousand times.
    expect(chiSquared).toBeLessThan(37.7);
  });
});

describe('randomPermutation', () => {
  it('has every number once', () => {
    fc.assert(
      fc.property(fc.nat({ max: 200 }), SEED, fc.nat(), (length, seed, counter) => {
        const sorted = randomPermutation(length, seed, counter).toSorted();
        expect([...sorted]).toEqual(Array.from({ length }, (_, index) => index));
      }),
    );
  });

  it('gives each of the 6 orders of 3 numbers about equally often', () => {
    const seen = new Map<string, number>();
    for (let counter = 0; counter < 6000; counter++) {
      const order = randomPermutation(3, 1, counter).join('');
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    // 1000 each, with a standard deviation of 29.
    for (const count of seen.values()) {
      expect(Math.abs(count - 1000)).toBeLessThan(120);
    }
  });
});
