import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backward } from '../src/autograd.ts';
import { crossEntropy, linearCrossEntropy } from '../src/ops/crossEntropy.ts';
import { groupedLinear, linear, matmul } from '../src/ops/matmul.ts';
import {
  combineRows,
  dispatchRows,
  embedding,
  scatterAlongRows,
  segmentPlan,
  segmentSum,
  takeAlongRows,
  topK,
} from '../src/ops/rows.ts';
import { scope } from '../src/scope.ts';
import type { Shape } from '../src/shape.ts';
import { tensor, type Tensor } from '../src/tensor.ts';
import { at, fromFlat, type NdArray, ndarray, noise, range, total } from './support/array.ts';
import { checkOp, expectClose, onEveryDevice } from './support/conformance.ts';

const product =
  (transposeA: boolean, transposeB: boolean) =>
  (a: NdArray, b: NdArray): NdArray => {
    const swap = (x: NdArray, on: boolean, batch: number[], i: number, j: number): number =>
      at(x, [...(x.shape.length > 2 ? batch : []), ...(on ? [j, i] : [i, j])]);
    const m = a.shape.at(transposeA ? -1 : -2)!;
    const k = a.shape.at(transposeA ? -2 : -1)!;
    const n = b.shape.at(transposeB ? -2 : -1)!;
    const batch = a.shape.length >= b.shape.length ? a.shape.slice(0, -2) : b.shape.slice(0, -2);
    return ndarray([...batch, m, n], (index) => {
      const lead = index.slice(0, -2);
      return total(
        range(k).map((l) => swap(a, transposeA, lead, index.at(-2)!, l) * swap(b, transposeB, lead, l, index.at(-1)!)),
      );
    });
  };

onEveryDevice((device) => {
  const ids = (values: number[], shape: Shape = [values.length]): Tensor => tensor(device(), values, shape, 'i32');

  describe('matmul', () => {
    const transpositions = [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const;
    it.each(transpositions)('any shape, transposed %s %s', async (transposeA, transposeB) => {
      const extent = fc.integer({ min: 1, max: 19 });
      await fc.assert(
        fc.asyncProperty(extent, extent, extent, async (m, k, n) => {
          await checkOp(device(), {
            inputs: [noise(transposeA ? [k, m] : [m, k], 1), noise(transposeB ? [n, k] : [k, n], 2)],
            op: (a, b) => matmul(a, b, { transposeA, transposeB }),
            reference: product(transposeA, transposeB),
          });
        }),
        { numRuns: 8 },
      );
    });

    it.each<[Shape, Shape]>([
      [
        [2, 3, 4],
        [2, 4, 5],
      ],
      [
        [2, 3, 4],
        [4, 5],
      ],
      [
        [3, 4],
        [2, 4, 5],
      ],
      [
        [2, 2, 3, 1],
        [2, 2, 1, 2],
      ],
    ])('batches %j and %j', async (a, b) => {
      await checkOp(device(), {
        inputs: [noise(a, 1), noise(b, 2)],
        op: (a, b) => matmul(a, b),
        reference: product(false, false),
      });
    });

    it.each([
      [false, true],
      [true, false],
      [true, true],
    ])('transposed batches %s %s', async (transposeA, transposeB) => {
      await checkOp(device(), {
        inputs: [noise(transposeA ? [2, 4, 3] : [2, 3, 4], 1), noise(transposeB ? [5, 4] : [4, 5], 2)],
        op: (a, b) => matmul(a, b, { transposeA, transposeB }),
        reference: product(transposeA, transposeB),
      });
    });

    it('gives zeros for an empty inner axis and nothing for empty outer axes', async () => {
      await checkOp(device(), {
        inputs: [noise([2, 0], 1), noise([0, 3], 2)],
        op: (a, b) => matmul(a, b),
        reference: product(false, false),
      });
      await checkOp(device(), {
        inputs: [noise([0, 2], 1), noise([2, 3], 2)],
        op: (a, b) => matmul(a, b),
        reference: product(false, false),
      });
    });

    it('values of larger matrices', async () => {
      const [a, b] = [noise([131, 257], 1), noise([257, 67], 2)];
      const out = await scope(device(), () =>
        matmul(tensor(device(), [...a.data], a.shape), tensor(device(), [...b.data], b.shape)).data(),
      );
      expectClose(out, product(false, false)(a, b).data, 2e-6);
    });

    it('linear with bias', async () => {
      await checkOp(device(), {
        inputs: [noise([2, 3, 4], 1), noise([5, 4], 2), noise([5], 3)],
        op: (x, w, b) => linear(x, w, b),
        reference: (x, w, b) => {
          const out = product(false, true)(fromFlat([6, 4], x.data), w);
          return ndarray([2, 3, 5], ([i, j, o]) => at(out, [i! * 3 + j!, o!]) + b.data[o!]!);
        },
      });
    });

    it('names the shapes that do not fit', () => {
      scope(device(), () => {
        const [a, b] = [tensor(device(), [1, 2], [1, 2]), tensor(device(), [1, 2, 3], [3, 1])];
        expect(() => matmul(a, b)).toThrow('matmul: [1, 2] times [3, 1]: the inner extents (2 and 3)');
      });
    });
  });

  describe('experts', () => {
    const choices = [2, 0, 2, 3, 0, 2, 3, 0]; // four tokens, two experts each; expert 1 has none
    const [tokens, k, experts] = [4, 2, 5];
    const order = range(choices.length).sort((a, b) => choices[a]! - choices[b]! || a - b);

    it('sorts choices stably', async () => {
      await scope(device(), async () => {
        const plan = segmentPlan(ids(choices), experts);
        expect([...(await plan.counts.data())]).toEqual([3, 0, 3, 2, 0]);
        expect([...(await plan.offsets.data())]).toEqual([0, 3, 3, 6, 8, 8]);
        expect([...(await plan.order.data())]).toEqual(order);
        expect([...(await plan.inverse.data())]).toEqual(range(8).map((i) => order.indexOf(i)));
      });
    });

    it('dispatches rows', async () => {
      await checkOp(device(), {
        inputs: [noise([tokens, 5], 1)],
        op: (x) => dispatchRows(x, segmentPlan(ids(choices, [tokens, k]), experts)),
        reference: (x) => ndarray([8, 5], ([p, c]) => at(x, [Math.floor(order[p!]! / k), c!])),
      });
    });

    it('combines rows', async () => {
      await checkOp(device(), {
        inputs: [noise([8, 5], 1), noise([tokens, k], 2)],
        op: (x, w) => combineRows(x, w, segmentPlan(ids(choices, [tokens, k]), experts)),
        reference: (x, w) =>
          ndarray([tokens, 5], ([t, c]) =>
            total(range(k).map((j) => at(w, [t!, j]) * at(x, [order.indexOf(t! * k + j), c!]))),
          ),
      });
    });

    it('multiplies each group by its own matrix', async () => {
      await checkOp(device(), {
        inputs: [noise([8, 3], 1), noise([experts, 7, 3], 2)],
        op: (x, w) => groupedLinear(x, w, segmentPlan(ids(choices), experts)),
        reference: (x, w) =>
          ndarray([8, 7], ([p, o]) =>
            total(range(3).map((i) => at(x, [p!, i]) * at(w, [choices[order[p!]!]!, o!, i]))),
          ),
      });
    });

    it('sums rows of each segment', async () => {
      await checkOp(device(), {
        inputs: [noise([tokens, 6], 1)],
        op: (x) => segmentSum(x, segmentPlan(ids(choices, [tokens, k]), experts)),
        reference: (x) =>
          ndarray([experts, 6], ([s, c]) =>
            total(range(8).map((i) => (choices[i] === s ? at(x, [Math.floor(i / k), c!]) : 0))),
          ),
      });
    });

    it('rejects a plan that does not fit', () => {
      scope(device(), () => {
        const plan = segmentPlan(ids(choices), experts);
        expect(() => dispatchRows(tensor(device(), [1, 2, 3], [3, 1]), plan)).toThrow('not a whole number of choices');
      });
    });
  });

  it('embeds', async () => {
    const wanted = [4, 0, 4, 1, 4, 2];
    await checkOp(device(), {
      inputs: [noise([6, 5], 1)],
      op: (table) => embedding(table, ids(wanted, [2, 3])),
      reference: (table) => ndarray([2, 3, 5], ([i, j, c]) => at(table, [wanted[i! * 3 + j!]!, c!])),
    });
  });

  describe('topK', () => {
    it.each([
      [1, 1, 1],
      [3, 7, 2],
      [4, 33, 8],
      [2, 5, 5],
    ])('%i rows of %i, k = %i', async (rows, columns, k) => {
      const sorted = (x: NdArray, row: number): number[] =>
        [...x.data.subarray(row * columns, (row + 1) * columns)].sort((a, b) => b - a).slice(0, k);
      await checkOp(device(), {
        inputs: [noise([rows, columns], 1)],
        op: (x) => topK(x, k).values,
        reference: (x) => ndarray([rows, k], ([row, j]) => sorted(x, row!)[j!]!),
      });
    });

    it('takes the lowest index among equals', async () => {
      await scope(device(), async () => {
        const { values, indices } = topK(tensor(device(), [1, 3, 3, 0, 3, 7, 7, 7, 7, 7], [2, 5]), 3);
        expect([...(await indices.data())]).toEqual([1, 2, 4, 0, 1, 2]);
        expect([...(await values.data())]).toEqual([3, 3, 3, 7, 7, 7]);
      });
    });

    it('takes and scatters along rows', async () => {
      const indices = [2, 0, 1, 3];
      await checkOp(device(), {
        inputs: [noise([2, 4], 1)],
        op: (x) => takeAlongRows(x, ids(indices, [2, 2])),
        reference: (x) => ndarray([2, 2], ([r, j]) => at(x, [r!, indices[r! * 2 + j!]!])),
      });
      await checkOp(device(), {
        inputs: [noise([2, 2], 1)],
        op: (x) => scatterAlongRows(x, ids(indices, [2, 2]), 5, -3),
        reference: (x) =>
          ndarray([2, 5], ([r, c]) => {
            const j = indices.slice(r! * 2, r! * 2 + 2).indexOf(c!);
            return j < 0 ? -3 : at(x, [r!, j]);
          }),
      });
    });

    it('names a k that is too large', () => {
      scope(device(), () => {
        expect(() => topK(tensor(device(), [1, 2], [1, 2]), 3)).toThrow('topK: k must be a whole number from 1 to 2');
      });
    });
  });

  describe('cross entropy', () => {
    const labels = [1, -100, 0, 4, 2];
    const classes = 6;
    const meanLoss = (logits: NdArray): NdArray => {
      const losses = labels.flatMap((label, row) => {
        if (label < 0) return [];
        const line = logits.data.subarray(row * classes, (row + 1) * classes);
        const largest = Math.max(...line);
        return [largest + Math.log(total(line.map((x) => Math.exp(x - largest)))) - line[label]!];
      });
      return fromFlat([], [total(losses) / losses.length]);
    };

    it('from logits', async () => {
      await checkOp(device(), {
        inputs: [noise([5, classes], 1, 4)],
        op: (logits) => crossEntropy(logits, ids(labels)).loss,
        reference: meanLoss,
      });
    });

    it('from hidden states', async () => {
      await checkOp(device(), {
        inputs: [noise([5, 3], 1, 2), noise([classes, 3], 2, 2)],
        op: (hidden, weight) => linearCrossEntropy(hidden, weight, ids(labels)).loss,
        reference: (hidden, weight) => meanLoss(product(false, true)(hidden, weight)),
      });
    });

    it('gives the same in several chunks of rows as from all logits at once', async () => {
      const [rows, width] = [600, 8];
      const hidden = noise([rows, width], 1);
      const weight = noise([classes, width], 2);
      const targets = range(rows).map((i) => (i % 7 === 0 ? -100 : i % classes));
      const run = (whole: boolean): Promise<Float32Array[]> =>
        scope(device(), async () => {
          const [h, w] = [hidden, weight].map(({ shape, data }) => {
            const out = tensor(device(), [...data], shape);
            return Object.assign(out, { requiresGrad: true });
          });
          const { loss, losses } = whole
            ? crossEntropy(matmul(h!, w!, { transposeB: true }), ids(targets))
            : linearCrossEntropy(h!, w!, ids(targets));
          backward(loss);
          const out = [loss, losses, h!.grad!, w!.grad!].map((x) => x.data() as Promise<Float32Array>);
          const values = await Promise.all(out);
          for (const x of [h!, w!]) x.dispose();
          return values;
        });
      const [chunked, whole] = [await run(false), await run(true)];
      chunked.forEach((values, i) => expectClose(values, whole[i]!, 2e-6));
    });
  });
});
