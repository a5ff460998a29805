import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dropRate, overloadFactor, rankLoads } from '../src/index.ts';

const someCounts = fc
  .array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 24 })
  .filter((counts) => counts.some((count) => count > 0));

/** Counts, and a number of ranks that divides their experts. */
const someRanks = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 }))
  .chain(([ranks, block]) =>
    fc.record({
      ranks: fc.constant(ranks),
      counts: fc.array(fc.nat({ max: 1000 }), { minLength: ranks * block, maxLength: ranks * block }),
    }),
  )
  .filter(({ counts }) => counts.some((count) => count > 0));

describe('overload factor', () => {
  test('is the busiest rank over the mean, from 1 to the number of ranks, whatever the scale', () => {
    fc.assert(
      fc.property(someRanks, fc.integer({ min: 1, max: 9 }), ({ ranks, counts }, scale) => {
        const factor = overloadFactor(counts, ranks);
        const block = counts.length / ranks;
        const loads = Array.from({ length: ranks }, (_, r) =>
          counts.slice(r * block, (r + 1) * block).reduce((a, b) => a + b),
        );
        expect([...rankLoads(counts, ranks)]).toEqual(loads);
        expect(factor).toBeCloseTo((Math.max(...loads) * ranks) / counts.reduce((a, b) => a + b), 10);
        expect(factor).toBeGreaterThanOrEqual(1 - 1e-12);
        expect(factor).toBeLessThanOrEqual(ranks + 1e-12);
        expect(
          overloadFactor(
            counts.map((count) => count * scale),
            ranks,
          ),
        ).toBeCloseTo(factor, 10);
      }),
    );
  });

  test('experts within a rank even each other out', () => {
    expect(overloadFactor([8, 0, 4, 4], 2)).toBe(1);
    expect(overloadFactor([8, 4, 0, 4], 2)).toBe(1.5);
    expect(overloadFactor([8, 0, 0, 0], 4)).toBe(4);
    expect(overloadFactor([0, 0], 2)).toBeNaN();
    expect(() => overloadFactor([1, 2, 3], 2)).toThrow('ranks is 2; it must divide the 3 experts');
    expect(() => overloadFactor([1, 2], 0)).toThrow('ranks is 0');
  });
});

describe('drop rate', () => {
  test('falls as places grow, does not care which expert is busy, and ends at 0', () => {
    fc.assert(
      fc.property(someCounts, fc.double({ min: 0.1, max: 4, noNaN: true }), (counts, factor) => {
        const rate = dropRate(counts, factor);
        const total = counts.reduce((a, b) => a + b);
        const wanted = (factor * total) / counts.length;
        const places = Math.abs(wanted - Math.round(wanted)) < 1e-9 ? Math.round(wanted) : Math.ceil(wanted);
        const kept = counts.reduce((sum, count) => sum + Math.min(count, places), 0);
        expect(rate).toBeCloseTo(1 - kept / total, 10);
        expect(rate).toBeGreaterThanOrEqual(0);
        expect(rate).toBeLessThan(1);
        expect(dropRate(counts.toReversed(), factor)).toBeCloseTo(rate, 12);
        expect(dropRate(counts, 1.5 * factor)).toBeLessThanOrEqual(rate);
        expect(dropRate(counts, counts.length)).toBe(0);
      }),
    );
  });

  test('of an even load is 0, of a collapsed one all but its places', () => {
    expect(dropRate([5, 5, 5, 5], 1)).toBe(0);
    expect(dropRate([20, 0, 0, 0], 1)).toBe(0.75);
    expect(dropRate([20, 0, 0, 0], 1.25)).toBe(0.65);
    expect(dropRate([0, 0], 1)).toBeNaN();
    for (const factor of [0, -1, NaN, Infinity]) expect(() => dropRate([1], factor)).toThrow(`factor is ${factor}`);
  });

  test('has as many places as the factor says, also where the product is rounded', () => {
    // 1.1 x 100 / 10 comes out as 11.000000000000002; 89 of the 100 have no place.
    expect(dropRate([100, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1.1)).toBe(0.89);
    for (let tenths = 1; tenths < 60; tenths++) {
      for (const fair of [10, 50, 1000, 123_450]) {
        const all = fair * 8;
        const rate = dropRate([all, 0, 0, 0, 0, 0, 0, 0], tenths / 10);
        expect(Math.round((1 - rate) * all)).toBe(Math.min(all, (tenths * fair) / 10));
      }
    }
  });
});
