import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { excess, randomArray, run } from './support-products.ts';

interface Product {
  batch: number;
  m: number;
  n: number;
  k: number;
  transposeA: boolean;
  transposeB: boolean;
  accumulate: boolean;
  sharedA: boolean;
  sharedB: boolean;
}

/** `out (+)= op(a) op(b)` in float64. */
function reference(p: Product, a: Float32Array, b: Float32Array, out: Float32Array): Float64Array {
  const { m, n, k } = p;
  const result = Float64Array.from(out);
  for (let x = 0; x < p.batch; x++) {
    const aStart = p.sharedA ? 0 : x * m * k;
    const bStart = p.sharedB ? 0 : x * k * n;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let s = 0; s < k; s++) {
          sum +=
            a[aStart + (p.transposeA ? s * m + i : i * k + s)]! * b[bStart + (p.transposeB ? j * k + s : s * n + j)]!;
        }
        result[(x * m + i) * n + j]! = sum + (p.accumulate ? result[(x * m + i) * n + j]! : 0);
      }
    }
  }
  return result;
}

async function check(p: Product): Promise<void> {
  const a = randomArray((p.sharedA ? 1 : p.batch) * p.m * p.k, 1);
  const b = randomArray((p.sharedB ? 1 : p.batch) * p.k * p.n, 2);
  const out = p.accumulate
    ? randomArray(p.batch * p.m * p.n, 3)
    : new Float32Array(p.batch * p.m * p.n).fill(Number.NaN);
  const { m, n, k } = p;
  const result = await run({ a, b, out }, (kernels, buffers) =>
    kernels.matmul({
      ...buffers,
      ...p,
      aBatchStride: p.sharedA ? 0 : m * k,
      bBatchStride: p.sharedB ? 0 : k * n,
    }),
  );
  expect(excess(result.out, reference(p, a, b, out), 1e-6 * Math.sqrt(k + 1)), JSON.stringify(p)).toBeLessThanOrEqual(
    0,
  );
}

const plain: Product = {
  batch: 1,
  m: 1,
  n: 1,
  k: 1,
  transposeA: false,
  transposeB: false,
  accumulate: false,
  sharedA: false,
  sharedB: false,
};

describe('matmul', () => {
  const shapes = [
    [1, 1, 1],
    [1, 40, 300],
    [2, 7, 3],
    [6, 8, 256],
    [7, 9, 257],
    [13, 1, 5],
    [64, 64, 1],
    [100, 33, 128],
    [193, 257, 31],
    [250, 300, 520],
    [400, 17, 16],
  ] as const;
  for (const [m, n, k] of shapes) {
    it(`agrees with float64 for ${m} x ${n} x ${k}, stored either way`, async () => {
      for (const transposeA of [false, true]) {
        for (const transposeB of [false, true]) await check({ ...plain, m, n, k, transposeA, transposeB });
      }
    });
  }

  it('agrees with float64 on any shape, batched, shared and accumulating', () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.nat(3),
          m: fc.nat(40),
          n: fc.nat(40),
          k: fc.nat(40),
          transposeA: fc.boolean(),
          transposeB: fc.boolean(),
          accumulate: fc.boolean(),
          sharedA: fc.boolean(),
          sharedB: fc.boolean(),
        }),
        check,
      ),
      { numRuns: 300 },
    ));

  it('gives zeros, or leaves out alone, when the sum is empty', async () => {
    for (const accumulate of [false, true]) await check({ ...plain, batch: 2, m: 7, n: 11, k: 0, accumulate });
  });

  it('keeps infinities and NaN to the rows and columns that they stand in', async () => {
    const [m, n, k] = [8, 11, 9];
    const a = randomArray(m * k, 1);
    a[2 * k + 3] = Number.POSITIVE_INFINITY;
    a[7 * k + 8] = Number.NaN;
    const b = randomArray(k * n, 2).map(Math.abs);
    const { out } = await run({ a, b, out: new Float32Array(m * n) }, (kernels, buffers) =>
      kernels.matmul({ ...plain, ...buffers, m, n, k, aBatchStride: 0, bBatchStride: 0 }),
    );
    for (let i = 0; i < m * n; i++) {
      const row = Math.floor(i / n);
      if (row === 2) expect(out[i]).toBe(Number.POSITIVE_INFINITY);
      else if (row === 7) expect(out[i]).toBeNaN();
      else expect(Number.isFinite(out[i])).toBe(true);
    }
  });

  it('gives an element the same value wherever tiles are cut', async () => {
    const [m, n, k] = [200, 150, 300];
    const a = randomArray(m * k, 1);
    const b = randomArray(k * n, 2);
    const multiply = async (rows: number): Promise<Float32Array | Int32Array> => {
      const { out } = await run({ a, b, out: new Float32Array(rows * n) }, (kernels, buffers) =>
        kernels.matmul({ ...plain, ...buffers, m: rows, n, k, aBatchStride: 0, bBatchStride: 0 }),
      );
      return out;
    };
    const whole = await multiply(m);
    expect(await multiply(67)).toEqual(whole.slice(0, 67 * n));
    expect(await multiply(1)).toEqual(whole.slice(0, n));
  });
});
