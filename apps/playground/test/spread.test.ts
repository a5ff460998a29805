import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { spread } from '../page/spread.ts';

describe('places that are pushed apart', () => {
  it('move as little as they must', () => {
    expect(spread([0, 20, 40], 10, [0, 99])).toEqual([0, 20, 40]);
    expect(spread([10, 12], 6, [0, 99])).toEqual([8, 14]);
    expect(spread([0, 10, 11, 12], 4, [0, 99])).toEqual([0, 7, 11, 15]);
    expect(spread([1, 2, 90], 4, [3, 80])).toEqual([3, 7, 80]);
    expect(spread([], 4, [0, 99])).toEqual([]);
  });

  it('are at least so far apart, about the same middle', () => {
    const places = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(places, fc.integer({ min: 1, max: 40 }), (unordered, gap) => {
        const given = unordered.toSorted((a, b) => a - b);
        const apart = spread(given, gap, [-400, 800]);
        for (const [i, place] of apart.entries()) if (i > 0) expect(place - apart[i - 1]!).toBeGreaterThan(gap - 1e-9);
        const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
        expect(sum(apart)).toBeCloseTo(sum(given), 6);
      }),
    );
  });
});
