import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatenate, permute, reshape, slice, stretch, transpose } from '../src/ops/movement.ts';
import { max, mean, min, sum } from '../src/ops/reduce.ts';
import { scope } from '../src/scope.ts';
import type { Shape } from '../src/shape.ts';
import { tensor, zeros } from '../src/tensor.ts';
import { at, atBroadcast, fromFlat, type NdArray, ndarray, noise, range, total } from './support/array.ts';
import { checkOp, expectClose, onEveryDevice } from './support/conformance.ts';

/** Reduces one axis (or everything) with a function of the values along it. */
function reduceWith(f: (values: number[]) => number, axis: number | undefined, keepAxis = false) {
  return (x: NdArray): NdArray => {
    if (axis === undefined) {
      return fromFlat(keepAxis ? x.shape.map(() => 1) : [], [f([...x.data])]);
    }
    const where = axis < 0 ? axis + x.shape.length : axis;
    const along = (index: number[]): number[] => range(x.shape[where]!).map((i) => at(x, index.toSpliced(where, 1, i)));
    const kept = ndarray(x.shape.with(where, 1), (index) => f(along(index)));
    return keepAxis ? kept : fromFlat(x.shape.toSpliced(where, 1), kept.data);
  };
}

onEveryDevice((device) => {
  describe('reductions', () => {
    const reductions = [
      { op: sum, f: (values: number[]) => total(values) },
      { op: mean, f: (values: number[]) => total(values) / values.length },
      { op: max, f: (values: number[]) => Math.max(...values) },
      { op: min, f: (values: number[]) => Math.min(...values) },
    ];
    describe.each(reductions.map((entry) => ({ name: entry.op.name, ...entry })))('$name', ({ op, f }) => {
      it.each<[Shape, number | undefined]>([
        [[], undefined],
        [[1], 0],
        [[7], undefined],
        [[3, 5], 0],
        [[3, 5], 1],
        [[3, 5], -1],
        [[2, 3, 5], 1],
        [[2, 1, 33], 2],
        [[4, 67], undefined],
      ])('%j along %s', async (shape, axis) => {
        await checkOp(device(), { inputs: [noise(shape, 3)], op: (x) => op(x, axis), reference: reduceWith(f, axis) });
        await checkOp(device(), {
          inputs: [noise(shape, 3)],
          op: (x) => op(x, axis, { keepAxis: true }),
          reference: reduceWith(f, axis, true),
        });
      });
    });

    it('stays accurate over a million elements', async () => {
      const values = noise([1_000_003], 5);
      const [all, rows] = await scope(device(), async () => [
        await sum(tensor(device(), [...values.data])).item(),
        await sum(tensor(device(), [...values.data.subarray(0, 1_000_000)], [4, 250_000]), 1).data(),
      ]);
      expect(Math.abs(all - total(values.data))).toBeLessThan(0.02);
      expectClose(
        rows,
        range(4).map((i) => total(values.data.subarray(i * 250_000, (i + 1) * 250_000))),
        2e-5,
      );
    });

    it('gives the identity over nothing', async () => {
      await scope(device(), async () => {
        const nothing = zeros(device(), [2, 0]);
        expect([...(await sum(nothing, 1).data())]).toEqual([0, 0]);
        expect([...(await max(nothing, 1).data())]).toEqual([-Infinity, -Infinity]);
        expect([...(await min(nothing, 1).data())]).toEqual([Infinity, Infinity]);
      });
    });
  });

  describe('movement', () => {
    it('reshapes', async () => {
      const reference = (shape: Shape) => (x: NdArray) => ({ shape, data: x.data });
      await checkOp(device(), {
        inputs: [noise([3, 4], 1)],
        op: (x) => reshape(x, [2, 6]),
        reference: reference([2, 6]),
      });
      await checkOp(device(), { inputs: [noise([3, 4], 1)], op: (x) => reshape(x, [-1]), reference: reference([12]) });
      await checkOp(device(), {
        inputs: [noise([0, 4], 1)],
        op: (x) => reshape(x, [2, 0]),
        reference: reference([2, 0]),
      });
      scope(device(), () => {
        expect(() => reshape(zeros(device(), [3, 4]), [5, -1])).toThrow('reshape: [3, 4] has 12 elements');
      });
    });

    it('permutes any axes', async () => {
      const shapes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
      await fc.assert(
        fc.asyncProperty(
          shapes.chain((shape) =>
            fc.tuple(fc.constant(shape), fc.shuffledSubarray(range(shape.length), { minLength: shape.length })),
          ),
          async ([shape, order]) => {
            await checkOp(device(), {
              inputs: [noise(shape, 4)],
              op: (x) => permute(x, order),
              reference: (x) =>
                ndarray(
                  order.map((axis) => shape[axis]!),
                  (index) =>
                    at(
                      x,
                      range(shape.length).map((axis) => index[order.indexOf(axis)]!),
                    ),
                ),
            });
          },
        ),
        { numRuns: 15 },
      );
    });

    it.each([[[1, 1]], [[3, 5]], [[37, 65]], [[2, 17, 4]]])('transposes %j', async (shape: number[]) => {
      const swapped = [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
      await checkOp(device(), {
        inputs: [noise(shape, 4)],
        op: transpose,
        reference: (x) => ndarray(swapped, (index) => at(x, [...index.slice(0, -2), index.at(-1)!, index.at(-2)!])),
      });
    });

    it.each<[Shape, number, number, number]>([
      [[7], 0, 2, 5],
      [[3, 8], 1, 4, 8],
      [[3, 8], 0, 1, 2],
      [[2, 5, 3], -2, 0, 4],
      [[3, 8], 1, 4, 4],
    ])('slices %j along %i, %i .. %i', async (shape, axis, start, end) => {
      const where = axis < 0 ? axis + shape.length : axis;
      await checkOp(device(), {
        inputs: [noise(shape, 4)],
        op: (x) => slice(x, axis, start, end),
        reference: (x) =>
          ndarray(shape.with(where, end - start), (index) => at(x, index.with(where, index[where]! + start))),
      });
    });

    it.each<[Shape, Shape, number]>([
      [[2], [3], 0],
      [[2, 3], [2, 5], 1],
      [[2, 3], [4, 3], 0],
      [[2, 3, 2], [2, 1, 2], 1],
      [[2, 3], [2, 0], 1],
    ])('concatenates %j and %j along %i', async (a, b, axis) => {
      await checkOp(device(), {
        inputs: [noise(a, 1), noise(b, 2)],
        op: (x, y) => concatenate([x, y], axis),
        reference: (x, y) =>
          ndarray(a.with(axis, a[axis]! + b[axis]!), (index) =>
            index[axis]! < a[axis]! ? at(x, index) : at(y, index.with(axis, index[axis]! - a[axis]!)),
          ),
      });
    });

    it.each<[Shape, Shape]>([
      [[], [3]],
      [
        [1, 3],
        [4, 3],
      ],
      [
        [3, 1],
        [2, 3, 4],
      ],
    ])('stretches %j to %j', async (from, to) => {
      await checkOp(device(), {
        inputs: [noise(from, 1)],
        op: (x) => stretch(x, to),
        reference: (x) => ndarray(to, (index) => atBroadcast(x, index)),
      });
    });

    it('moves integers', async () => {
      const out = await scope(device(), () => transpose(tensor(device(), [1, 2, 3, 4, 5, 6], [2, 3], 'i32')).data());
      expect(out).toEqual(Int32Array.from([1, 4, 2, 5, 3, 6]));
    });
  });
});
