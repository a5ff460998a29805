import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { excess, randomArray, run } from './support-products.ts';

function offsetsOf(sizes: readonly number[]): Int32Array {
  let sum = 0;
  return Int32Array.from([0, ...sizes.map((size) => (sum += size))]);
}

async function checkProduct(sizes: readonly number[], n: number, k: number, transposeWeights: boolean): Promise<void> {
  const offsets = offsetsOf(sizes);
  const groups = sizes.length;
  const rows = offsets[groups]!;
  const x = randomArray(rows * k, 1);
  const weights = randomArray(groups * k * n, 2);
  const expected = new Float64Array(rows * n);
  for (let g = 0; g < groups; g++) {
    for (let row = offsets[g]!; row < offsets[g + 1]!; row++) {
      for (let j = 0; j < n; j++) {
        for (let p = 0; p < k; p++) {
          expected[row * n + j]! += x[row * k + p]! * weights[g * k * n + (transposeWeights ? j * k + p : p * n + j)]!;
        }
      }
    }
  }
  const { out } = await run(
    { x, weights, offsets, out: new Float32Array(rows * n).fill(Number.NaN) },
    (kernels, buffers) => kernels.groupedMatmul({ ...buffers, groups, rows, n, k, transposeWeights }),
  );
  expect(excess(out, expected, 1e-6 * Math.sqrt(k + 1)), `${sizes} n ${n} k ${k}`).toBeLessThanOrEqual(0);
}

async function checkTransposed(sizes: readonly number[], m: number, n: number): Promise<void> {
  const offsets = offsetsOf(sizes);
  const groups = sizes.length;
  const rows = offsets[groups]!;
  const a = randomArray(rows * m, 1);
  const b = randomArray(rows * n, 2);
  const expected = new Float64Array(groups * m * n);
  for (let g = 0; g < groups; g++) {
    for (let row = offsets[g]!; row < offsets[g + 1]!; row++) {
      for (let i = 0; i < m; i++) {
        for (let j = 0; j < n; j++) expected[(g * m + i) * n + j]! += a[row * m + i]! * b[row * n + j]!;
      }
    }
  }
  const { out } = await run(
    { a, b, offsets, out: new Float32Array(groups * m * n).fill(Number.NaN) },
    (kernels, buffers) => kernels.groupedMatmulTransposed({ ...buffers, groups, rows, m, n }),
  );
  expect(excess(out, expected, 1e-6 * Math.sqrt(rows + 1)), `${sizes} m ${m} n ${n}`).toBeLessThanOrEqual(0);
}

const groupSizes: readonly (readonly number[])[] = [
  [1],
  [0, 0, 5],
  [300],
  [0, 500, 0, 0],
  [64, 64, 64, 64],
  [191, 192, 193, 0, 1, 7],
  Array.from({ length: 130 }, (_, g) => (g * 7) % 5),
];
const anySizes = fc.array(fc.oneof(fc.constant(0), fc.nat(20), fc.nat(250)), { minLength: 1, maxLength: 9 });

describe('groupedMatmul', () => {
  for (const sizes of groupSizes) {
    it(`agrees with float64 for groups of ${sizes.slice(0, 8)}`, async () => {
      await checkProduct(sizes, 33, 40, false);
      await checkProduct(sizes, 24, 64, true);
    });
  }

  it('agrees with float64 for any groups and widths', () =>
    fc.assert(fc.asyncProperty(anySizes, fc.nat(20), fc.nat(20), fc.boolean(), checkProduct), { numRuns: 100 }));
});

describe('groupedMatmulTransposed', () => {
  for (const sizes of groupSizes) {
    it(`agrees with float64 for groups of ${sizes.slice(0, 8)}`, () => checkTransposed(sizes, 21, 24));
  }

  it('agrees with float64 for any groups and widths', () =>
    fc.assert(fc.asyncProperty(anySizes, fc.nat(20), fc.nat(20), checkTransposed), { numRuns: 100 }));
});
