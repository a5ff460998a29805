/**
 * Index arithmetic of GPU kernels: exact although WGSL divides in f32, with an error of up to 2.5 units in the last
 * place.
 */
import { compileFunction } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { axes, indexOf, product, quotient } from '../src/devices/gpu/axes.ts';
import { kernelSettings } from '../src/devices/gpu/backend.ts';

/** Units in the last place by which the division that follows is off. */
let error = 0;

/** `floor(a / b)` as a GPU may compute it. */
function floorOfDivision(a: number, b: number): number {
  const ratio = Math.fround(Math.fround(a) / Math.fround(b));
  const ulp = ratio === 0 ? 0 : 2 ** (Math.floor(Math.log2(Math.abs(ratio))) - 23);
  return Math.floor(Math.fround(ratio + error * ulp));
}

/** Text of a kernel with its divisions replaced by those above. */
function asOnGpu(text: string): string {
  return text.replaceAll(/Math\.floor\(((?:[^()]|\([^()]*\))*) \/ (\w+)\)/g, 'floorOfDivision($1, $2)');
}

const { functions } = kernelSettings(
  { buffers: [], integers: [], numbers: [], body: 'quotient(', width: 1, extents: [1] },
  'Array',
) as { functions: readonly [{ source: string }] };
const helper = asOnGpu(functions[0].source);

function evaluate(expression: string, thread: { x: number; y: number; z: number }): number {
  const source = `const quotient = ${helper}; return ${asOnGpu(expression)};`;
  const run = compileFunction(source, ['floorOfDivision']);
  return Number(run.call({ thread }, floorOfDivision));
}

describe('quotient', () => {
  const cases = fc
    .record({
      bits: fc.integer({ min: 1, max: 31 }),
      d: fc.integer({ min: 1, max: 2 ** 22 }),
      ulps: fc.constantFrom(-2.5, 0, 2.5),
    })
    .chain(({ bits, d, ulps }) =>
      fc.record({
        n: fc.oneof(
          fc.integer({ min: 0, max: 2 ** bits - 1 }),
          // Around the multiples, where a rounding error shows.
          fc
            .tuple(fc.nat(Math.floor((2 ** bits - 1) / d)), fc.integer({ min: -1, max: 1 }))
            .map(([q, off]) => q * d + off),
        ),
        d: fc.constant(d),
        ulps: fc.constant(ulps),
      }),
    )
    .filter(({ n }) => n >= 0 && n < 2 ** 31);

  it('is exact for every integer', () => {
    fc.assert(
      fc.property(cases, ({ n, d, ulps }) => {
        error = ulps;
        const bound = Math.min(2 ** 31, 2 ** Math.ceil(Math.log2(n + 2)));
        expect(evaluate(quotient(`${n}`, d, bound), { x: 0, y: 0, z: 0 })).toBe(Math.floor(n / d));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('axes', () => {
  const size = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 700_000 }));
  const sizes = fc.array(size, { minLength: 1, maxLength: 6 }).filter((all) => product(all) < 2 ** 31);

  it('fit the limits of a launch and find every place', () => {
    fc.assert(
      fc.property(sizes, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (all, fraction) => {
        error = 2.5;
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
