/** Products of groups of rows against plain float64 code. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { builds, excess, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';

function offsetsOf(sizes: readonly number[]): Int32Array {
  let sum = 0;
  return Int32Array.from([0, ...sizes.map((size) => (sum += size))]);
}

interface Grouped {
  readonly sizes: readonly number[];
  readonly n: number;
  /** Length of the sums of groupedMatmul; rows of the results of groupedMatmulTransposed. */
  readonly k: number;
  readonly transposeWeights: boolean;
}

function rowsOf({ sizes }: Grouped): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function product(device: KernelDevice, p: Grouped): Promise<Float32Array> {
  const groups = p.sizes.length;
  const rows = rowsOf(p);
  const x = device.f32(noise(rows * p.k, 1));
  const weights = device.f32(noise(groups * p.k * p.n, 2));
  const offsets = device.i32(offsetsOf(p.sizes));
  const out = device.empty(rows * p.n);
  device.kernels.groupedMatmul({ ...p, x, weights, offsets, out, groups, rows });
  return await device.readF32(out);
}

async function transposed(device: KernelDevice, p: Grouped): Promise<Float32Array> {
  const groups = p.sizes.length;
  const rows = rowsOf(p);
  const a = device.f32(noise(rows * p.k, 1));
  const b = device.f32(noise(rows * p.n, 2));
  const offsets = device.i32(offsetsOf(p.sizes));
  const out = device.empty(groups * p.k * p.n);
  device.kernels.groupedMatmulTransposed({ a, b, offsets, out, groups, rows, m: p.k, n: p.n });
  return await device.readF32(out);
}

async function checkProduct(device: KernelDevice, p: Grouped): Promise<void> {
  const { sizes, n, k, transposeWeights } = p;
  const offsets = offsetsOf(sizes);
  const x = noise(rowsOf(p) * k, 1);
  const weights = noise(sizes.length * k * n, 2);
  const expected = new Float64Array(rowsOf(p) * n);
  for (let g = 0; g < sizes.length; g++) {
    for (let row = offsets[g]!; row < offsets[g + 1]!; row++) {
      for (let j = 0; j < n; j++) {
        for (let s = 0; s < k; s++) {
          expected[row * n + j]! += x[row * k + s]! * weights[g * k * n + (transposeWeights ? j * k + s : s * n + j)]!;
        }
      }
    }
  }
  const bound = 1e-6 * Math.sqrt(k + 1);
  expect(excess(await product(device, p), expected, bound, bound), JSON.stringify(p)).toBeLessThan(1);
}

async function checkTransposed(device: KernelDevice, p: Grouped): Promise<void> {
  const { sizes, n, k } = p;
  const offsets = offsetsOf(sizes);
  const a = noise(rowsOf(p) * k, 1);
  const b = noise(rowsOf(p) * n, 2);
  const expected = new Float64Array(sizes.length * k * n);
  for (let g = 0; g < sizes.length; g++) {
    for (let row = offsets[g]!; row < offsets[g + 1]!; row++) {
      for (let i = 0; i < k; i++) {
        for (let j = 0; j < n; j++) expected[(g * k + i) * n + j]! += a[row * k + i]! * b[row * n + j]!;
      }
    }
  }
  const bound = 1e-6 * Math.sqrt(Math.max(1, ...sizes));
  expect(excess(await transposed(device, p), expected, bound, bound), JSON.stringify(p)).toBeLessThan(1);
}

const groupSizes: readonly { readonly name: string; readonly sizes: readonly number[] }[] = [
  { name: 'one row', sizes: [1] },
  { name: 'empty groups first', sizes: [0, 0, 5] },
  { name: 'one group', sizes: [300] },
  { name: 'all rows in one of four', sizes: [0, 500, 0, 0] },
  { name: 'equal groups', sizes: [64, 64, 64, 64] },
  { name: 'groups around the height of a tile', sizes: [179, 180, 181, 0, 1, 7] },
  { name: 'groups around what is read in place', sizes: [4, 5, 23, 24, 25, 255, 256, 257] },
  { name: 'many small groups', sizes: Array.from({ length: 130 }, (_, g) => (g * 7) % 5) },
  { name: 'no rows at all', sizes: [0, 0] },
];
const anyGroups = fc.record({
  sizes: fc.array(fc.oneof(fc.constant(0), fc.nat(20), fc.nat(250)), { minLength: 1, maxLength: 9 }),
  n: fc.nat(20),
  k: fc.nat(20),
  transposeWeights: fc.boolean(),
});

describe.each(builds)('grouped products %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(0, relaxedSimd);
  });
  afterAll(() => device.close());

  it.each(groupSizes)('groupedMatmul agrees with float64 for $name', async ({ sizes }) => {
    await checkProduct(device, { sizes, n: 33, k: 40, transposeWeights: false });
    await checkProduct(device, { sizes, n: 24, k: 64, transposeWeights: true });
  });

  it('groupedMatmul agrees with float64 for any groups and widths', () =>
    fc.assert(
      fc.asyncProperty(anyGroups, (p) => checkProduct(device, p)),
      { numRuns: 100 },
    ));

  it.each(groupSizes)('groupedMatmulTransposed agrees with float64 for $name', ({ sizes }) =>
    checkTransposed(device, { sizes, n: 24, k: 21, transposeWeights: false }),
  );

  it('groupedMatmulTransposed agrees with float64 for any groups and widths', () =>
    fc.assert(
      fc.asyncProperty(anyGroups, (p) => checkTransposed(device, p)),
      { numRuns: 100 },
    ));
});

it('grouped products give the same bits on any number of threads', async () => {
  const p = { sizes: [100, 0, 7, 400, 33], n: 70, k: 50, transposeWeights: true };
  for (const kernel of [product, transposed]) {
    const [first, ...others] = await onThreads((device) => kernel(device, p));
    for (const other of others) expect(other).toEqual(first);
  }
});
