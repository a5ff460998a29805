/** Index arithmetic of GPU kernels: exact up to 2^31. */
import { compileFunction } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { axes, indexOf, product, quotient, spread } from '../src/devices/gpu/axes.ts';
import { HELPERS } from '../src/devices/gpu/backend.ts';

function evaluate(expression: string, thread: { x: number; y: number; z: number }): number {
  const run = compileFunction(`const quotient = ${HELPERS.quotient.source}; return ${expression};`);
  return Number(run.call({ thread }));
}

describe('quotient', () => {
  it('is exact for every integer', () => {
    const cases = fc.record({ n: fc.integer({ min: 0, max: 2 ** 31 - 1 }), d: fc.integer({ min: 1, max: 2 ** 22 }) });
    fc.assert(
      fc.property(cases, ({ n, d }) => {
        expect(evaluate(quotient(`${n}`, d), { x: 0, y: 0, z: 0 })).toBe(Math.floor(n / d));
      }),
    );
  });
});

describe('axes', () => {
  const size = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 700_000 }));
  const sizes = fc.array(size, { minLength: 1, maxLength: 6 }).filter((all) => product(all) < 2 ** 31);

  it('fit the limits of a launch and find every place', () => {
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (all, fraction) => {
        const { extents, at } = axes(...all);
        expect(product(extents)).toBe(product(all));
        expect(extents.length).toBeLessThanOrEqual(3);
        if (extents.length > 1) {
          for (const [axis, extent] of extents.entries())
            expect(extent).toBeLessThanOrEqual(65_535 * (axis < 2 ? 8 : 1));
        }
        const flat = Math.floor(fraction * product(all));
        const [width = 1, height = 1] = extents;
        const thread = {
          x: flat % width,
          y: Math.floor(flat / width) % height,
          z: Math.floor(flat / (width * height)),
        };
        let rest = flat;
        for (const [axis, extent] of all.entries()) {
          expect(evaluate(at[axis]!, thread), `axis ${axis} of ${all.join()} at ${flat}`).toBe(rest % extent);
          rest = Math.floor(rest / extent);
        }
      }),
      { numRuns: 500 },
    );
  });
});

it('spells indices without terms that are zero', () => {
  expect(indexOf(['a', '0', 'b', 'c'], [1, 7, 0, 4])).toBe('a + c * 4');
  expect(indexOf(['0'], [3])).toBe('0');
  expect(indexOf(['a'], [2], 5)).toBe('a * 2 + 5');
});

it('spreads workgroups over two axes', () => {
  expect(spread(65_535)).toEqual([65_535, 1, 1]);
  expect(spread(65_536)).toEqual([32_768, 2, 1]);
  expect(spread(1)).toEqual([1, 1, 1]);
});
