import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as ops from '../src/ops/elementwise.ts';
import { broadcastShapes, type Shape } from '../src/shape.ts';
import { scope } from '../src/scope.ts';
import { tensor, type Tensor } from '../src/tensor.ts';
import { atBroadcast, map, type NdArray, ndarray, noise } from './support/array.ts';
import { checkOp, expectClose, keepsDenormals, onEveryDevice } from './support/conformance.ts';

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Each function with inputs where it is smooth. */
const unary: readonly { op: (x: Tensor) => Tensor; f: (x: number) => number; domain: (x: number) => number }[] = [
  { op: ops.negate, f: (x) => -x, domain: (x) => x },
  { op: ops.abs, f: Math.abs, domain: (x) => x + Math.sign(x) * 0.1 },
  { op: ops.sign, f: Math.sign, domain: (x) => x + Math.sign(x) * 0.1 },
  { op: ops.reciprocal, f: (x) => 1 / x, domain: (x) => 1.5 + x },
  { op: ops.square, f: (x) => x * x, domain: (x) => 3 * x },
  { op: ops.sqrt, f: Math.sqrt, domain: (x) => 1.5 + x },
  { op: ops.rsqrt, f: (x) => 1 / Math.sqrt(x), domain: (x) => 1.5 + x },
  { op: ops.exp, f: Math.exp, domain: (x) => 5 * x },
  { op: ops.log, f: Math.log, domain: (x) => 1.5 + x },
  { op: ops.sigmoid, f: sigmoid, domain: (x) => 8 * x },
  { op: ops.silu, f: (x) => x * sigmoid(x), domain: (x) => 8 * x },
  { op: ops.relu, f: (x) => Math.max(x, 0), domain: (x) => x + Math.sign(x) * 0.1 },
  { op: ops.tanh, f: Math.tanh, domain: (x) => 3 * x },
  { op: ops.softplus, f: (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(x, 0), domain: (x) => 8 * x },
];

const binary: readonly { op: (a: Tensor, b: Tensor) => Tensor; f: (x: number, y: number) => number }[] = [
  { op: ops.add, f: (x, y) => x + y },
  { op: ops.subtract, f: (x, y) => x - y },
  { op: ops.multiply, f: (x, y) => x * y },
  { op: ops.divide, f: (x, y) => x / y },
  { op: ops.maximum, f: Math.max },
  { op: ops.minimum, f: Math.min },
];

function broadcast(f: (x: number, y: number) => number) {
  return (a: NdArray, b: NdArray): NdArray =>
    ndarray(broadcastShapes('test', a.shape, b.shape), (index) => f(atBroadcast(a, index), atBroadcast(b, index)));
}

/** A pair of shapes that broadcast: each axis of the result may be stretched or missing in either. */
const broadcastingShapes: fc.Arbitrary<[Shape, Shape]> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.constantFrom('both', 'a', 'b')), { maxLength: 4 })
  .chain((axes) =>
    fc
      .tuple(fc.integer({ min: 0, max: axes.length }), fc.integer({ min: 0, max: axes.length }))
      .map(([cutA, cutB]): [Shape, Shape] => [
        axes.map(([extent, who]) => (who === 'b' ? 1 : extent)).slice(cutA),
        axes.map(([extent, who]) => (who === 'a' ? 1 : extent)).slice(cutB),
      ]),
  );

onEveryDevice((device) => {
  describe.each(unary.map((entry) => ({ name: entry.op.name, ...entry })))('$name', ({ op, f, domain }) => {
    it.each([[[]], [[1]], [[7]], [[3, 5]], [[0, 4]], [[2, 67]]])('shape %j', async (shape: number[]) => {
      await checkOp(device(), {
        inputs: [map(noise(shape, 1), (x) => Math.fround(domain(x)))],
        op,
        reference: (x) => map(x, f),
      });
    });

    it('treats zeros, infinities and NaN as IEEE says', async () => {
      const denormals = keepsDenormals(device()) ? [2 ** -140] : [];
      const values = [0, -0, Infinity, -Infinity, NaN, ...denormals, 100, -100];
      const out = await scope(device(), () => op(tensor(device(), values)).data());
      const expected = values.map((x) => Math.fround(f(x)));
      for (const [i, value] of expected.entries()) {
        if (Number.isFinite(value) && Math.abs(value) > 1e-30)
          expectClose([out[i]!], [value], 4e-6, `${op.name}(${values[i]})`);
        else if (Number.isFinite(value))
          expect(Math.abs(out[i]! - value), `${op.name}(${values[i]})`).toBeLessThan(1e-37);
        else expect(out[i], `${op.name}(${values[i]})`).toBe(value);
      }
    });
  });

  describe.each(binary.map((entry) => ({ name: entry.op.name, ...entry })))('$name', ({ op, f }) => {
    it.each<[Shape, Shape]>([
      [[], []],
      [[5], []],
      [
        [3, 7],
        [3, 7],
      ],
      [[3, 7], [7]],
      [
        [3, 7],
        [3, 1],
      ],
      [
        [2, 1, 5],
        [3, 1],
      ],
      [
        [0, 3],
        [1, 3],
      ],
      [
        [2, 3, 1, 2],
        [2, 1, 4, 1],
      ],
    ])('shapes %j and %j', async (a, b) => {
      const divisor = map(noise(b, 2), (x) => Math.fround(x + Math.sign(x) * 0.5));
      await checkOp(device(), { inputs: [noise(a, 1), divisor], op, reference: broadcast(f) });
    });

    it('broadcasts any pair of shapes', async () => {
      await fc.assert(
        fc.asyncProperty(broadcastingShapes, async ([a, b]) => {
          const divisor = map(noise(b, 2), (x) => Math.fround(x + Math.sign(x) * 0.5));
          await checkOp(device(), { inputs: [noise(a, 1), divisor], op, reference: broadcast(f) });
        }),
        { numRuns: 15 },
      );
    });
  });

  it('affine and numbers as operands', async () => {
    await checkOp(device(), {
      inputs: [noise([3, 5], 1)],
      op: (x) => ops.affine(x, -2.5, 0.25),
      reference: (x) => map(x, (v) => -2.5 * v + 0.25),
    });
    const out = await scope(device(), () => ops.maximum(tensor(device(), [-1, 0, 2]), 0.5).data());
    expect([...out]).toEqual([0.5, 0.5, 2]);
  });

  it('compares', async () => {
    const [a, b] = [
      [1, 2, NaN, 3],
      [1, 1, NaN, 4],
    ];
    const [greater, equal] = await scope(device(), async () => {
      const [x, y] = [tensor(device(), a), tensor(device(), b)];
      return [[...(await ops.greater(x, y).data())], [...(await ops.equal(x, y).data())]];
    });
    expect(greater).toEqual([0, 1, 0, 0]);
    expect(equal).toEqual([1, 0, 0, 0]);
  });

  it('shares the gradient of a maximum between equal arguments', async () => {
    await checkOp(device(), {
      inputs: [ndarray([4], () => 1), ndarray([4], () => 1)],
      op: ops.maximum,
      // The mean of both one-sided derivatives.
      reference: (a, b) => ndarray([4], ([i]) => (a.data[i!]! + b.data[i!]! + Math.abs(a.data[i!]! - b.data[i!]!)) / 2),
    });
  });

  it('casts towards zero and back', async () => {
    const [integers, floats] = await scope(device(), async () => {
      const whole = ops.cast(tensor(device(), [1.9, -1.9, 0, 7]), 'i32');
      return [[...(await whole.data())], [...(await ops.cast(whole, 'f32').data())]];
    });
    expect(integers).toEqual([1, -1, 0, 7]);
    expect(floats).toEqual([1, -1, 0, 7]);
  });
});

describe('errors', () => {
  onEveryDevice((device) => {
    it('name the op and both shapes', () => {
      scope(device(), () => {
        const [a, b] = [tensor(device(), [1, 2, 3]), tensor(device(), [1, 2])];
        expect(() => ops.add(a, b)).toThrow('add: shapes [3] and [2] do not broadcast');
        expect(() => ops.exp(tensor(device(), [1], [1], 'i32'))).toThrow('exp: x must be f32');
      });
    });
  });
});
