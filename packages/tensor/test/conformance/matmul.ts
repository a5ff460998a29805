/** Suites of the matrix product. */
import * as fc from 'fast-check';
import { linear, matmul as matmulOp } from '../../src/ops/matmul.ts';
import { type Shape, sizeOf } from '../../src/shape.ts';
import { fromFlat, map, type NdArray, noise, range } from '../support/array.ts';
import { anyExtent, anySeed, DENORMAL, type OpCase, type OpSuite, real, SPECIAL } from './suite.ts';

interface Transposes {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** The product over the last two axes; one of both may be a single matrix for all of the other's. */
export function product({ transposeA = false, transposeB = false }: Transposes = {}) {
  return (a: NdArray, b: NdArray): NdArray => {
    const [m, k] = [a.shape.at(transposeA ? -1 : -2)!, a.shape.at(transposeA ? -2 : -1)!];
    const n = b.shape.at(transposeB ? -2 : -1)!;
    const batch = a.shape.length >= b.shape.length ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
    const out = new Float64Array(sizeOf(batch) * m * n);
    for (const i of range(sizeOf(batch))) {
      const aStart = a.shape.length > 2 ? i * m * k : 0;
      const bStart = b.shape.length > 2 ? i * k * n : 0;
      for (let row = 0; row < m; row++)
        for (let column = 0; column < n; column++) {
          let sum = 0;
          for (let l = 0; l < k; l++) {
            const x = a.data[aStart + (transposeA ? l * m + row : row * k + l)]!;
            sum += x * b.data[bStart + (transposeB ? column * k + l : l * n + column)]!;
          }
          out[(i * m + row) * n + column] = sum;
        }
    }
    return fromFlat([...batch, m, n], out);
  };
}

interface Sizes extends Transposes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Leading axes of a and of b. */
  readonly aBatch?: Shape;
  readonly bBatch?: Shape;
}

function multiplied({ m, n, k, aBatch = [], bBatch = [], ...transposes }: Sizes, seed = 1): OpCase {
  const { transposeA = false, transposeB = false } = transposes;
  return {
    inputs: [
      noise([...aBatch, ...(transposeA ? [k, m] : [m, k])], seed),
      noise([...bBatch, ...(transposeB ? [n, k] : [k, n])], seed + 1),
    ],
    op: (a, b) => matmulOp(a, b, transposes),
    reference: product(transposes),
  };
}

const TRANSPOSES: readonly Transposes[] = [
  {},
  { transposeB: true },
  { transposeA: true },
  { transposeA: true, transposeB: true },
];

/** The products of the numbers with each other: a column times a row. */
const outer = (values: readonly number[]): OpCase => ({
  ...multiplied({ m: 1, n: 1, k: 1 }),
  inputs: [real(values, [values.length, 1]), real(values, [1, values.length])],
});

const withBias = (lead: Shape, inner: number, out: number, seed = 1): OpCase => ({
  inputs: [noise([...lead, inner], seed), noise([out, inner], seed + 1), noise([out], seed + 2)],
  op: (x, w, b) => linear(x, w, b),
  reference: (x, w, b) => {
    const flat = product({ transposeB: true })({ shape: [sizeOf(lead), inner], data: x.data }, w);
    return fromFlat(
      [...lead, out],
      flat.data.map((y, i) => y + b.data[i % out]!),
    );
  },
});

/** A case whose first input has one odd number in its first row. All others are eighths, so that sums are exact. */
export const spoiled = (testCase: OpCase, value: number): OpCase => {
  const [x, ...rest] = testCase.inputs.map((input) =>
    input.integer ? input : map(input, (number) => Math.round(8 * number) / 8),
  );
  return { ...testCase, inputs: [fromFlat(x!.shape, x!.data.with(0, value)), ...rest] };
};

export const matmul = {
  matmul: {
    awkward: [
      ...TRANSPOSES.flatMap((transposes) => [
        multiplied({ m: 1, n: 1, k: 1, ...transposes }),
        multiplied({ m: 9, n: 12, k: 33, ...transposes }),
        multiplied({ m: 70, n: 36, k: 64, ...transposes }),
        multiplied({ m: 33, n: 20, k: 600, ...transposes }),
        multiplied({ m: 4, n: 8, k: 0, ...transposes }),
        multiplied({ m: 5, n: 3, k: 4, aBatch: [2, 3], bBatch: [2, 3], ...transposes }),
        multiplied({ m: 66, n: 8, k: 5, aBatch: [2], ...transposes }),
        multiplied({ m: 4, n: 5, k: 3, bBatch: [3], ...transposes }),
      ]),
      multiplied({ m: 0, n: 3, k: 2 }),
      multiplied({ m: 3, n: 0, k: 2 }),
      { ...multiplied({ m: 1, n: 1, k: 8195 }), tolerance: 1e-5 },
      multiplied({ m: 131, n: 129, k: 17 }),
    ],
    any: fc
      .tuple(anyExtent, anyExtent, anyExtent, fc.constantFrom(...TRANSPOSES), fc.constantFrom([], [1], [2, 2]), anySeed)
      .map(([m, n, k, transposes, aBatch, seed]) => multiplied({ m, n, k, aBatch, ...transposes }, seed)),
    extreme: [
      outer(SPECIAL),
      outer([...DENORMAL, 0, 1, -2, 2 ** 100]),
      ...[Infinity, Number.NaN].map((value) => spoiled(multiplied({ m: 9, n: 17, k: 5 }), value)),
    ],
    gradients: 'checked',
  },
  linear: {
    awkward: [withBias([2, 3], 4, 5), withBias([1], 1, 1), withBias([0], 3, 2), withBias([3], 257, 33)],
    any: fc.tuple(anyExtent, anyExtent, anyExtent, anySeed).map(([rows, i, o, seed]) => withBias([rows], i, o, seed)),
    extreme: [
      ...[Infinity, -Infinity, Number.NaN].map((value) => spoiled(withBias([3], 4, 5), value)),
      { ...withBias([1], 1, 2), inputs: [real([2 ** -140], [1, 1]), real([1, 2], [2, 1]), real([0, -(2 ** -140)])] },
    ],
    gradients: 'checked',
  },
} satisfies Record<string, OpSuite>;
