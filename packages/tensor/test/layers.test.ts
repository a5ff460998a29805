import { describe, expect, it } from 'vitest';
import { causalAttention, rotary, rotaryTables, swiGlu } from '../src/ops/attention.ts';
import { layerNorm, logSoftmax, logSumExp, rmsNorm, softmax } from '../src/ops/normalization.ts';
import { scope } from '../src/scope.ts';
import type { Shape } from '../src/shape.ts';
import { tensor, type Tensor, zeros } from '../src/tensor.ts';
import { at, fromFlat, map, type NdArray, ndarray, noise, range, total } from './support/array.ts';
import { checkOp, expectClose, onEveryDevice } from './support/conformance.ts';

/** Applies a function to each row along the last axis. */
function onRows(x: NdArray, f: (row: Float64Array) => ArrayLike<number>): NdArray {
  const columns = x.shape.at(-1)!;
  const out = new Float64Array(x.data.length);
  for (let i = 0; i < x.data.length; i += columns) out.set(f(x.data.subarray(i, i + columns)), i);
  return { shape: x.shape, data: out };
}

const softmaxRow = (row: Float64Array): Float64Array => {
  const largest = Math.max(...row);
  const exps = row.map((x) => Math.exp(x - largest));
  const sum = total(exps);
  return exps.map((x) => x / sum);
};

const lse = (row: Float64Array): number => {
  const largest = Math.max(...row);
  return largest + Math.log(total(row.map((x) => Math.exp(x - largest))));
};

const silu = (x: number): number => x / (1 + Math.exp(-x));

onEveryDevice((device) => {
  const rowShapes: Shape[] = [[1], [1, 1], [3, 5], [2, 3, 32], [5, 67], [0, 4]];

  it.each(rowShapes.map((shape) => [shape]))('rmsNorm %j', async (shape) => {
    const columns = shape.at(-1)!;
    await checkOp(device(), {
      inputs: [noise(shape, 1, 2), noise([columns], 2)],
      op: (x, w) => rmsNorm(x, w, 0.1),
      reference: (x, w) =>
        onRows(x, (row) => {
          const inverse = 1 / Math.sqrt(total(row.map((v) => v * v)) / columns + 0.1);
          return row.map((v, i) => w.data[i]! * v * inverse);
        }),
    });
  });

  it.each(rowShapes.map((shape) => [shape]))('layerNorm %j', async (shape) => {
    const columns = shape.at(-1)!;
    await checkOp(device(), {
      inputs: [noise(shape, 1, 2), noise([columns], 2), noise([columns], 3)],
      op: (x, w, b) => layerNorm(x, w, b, 1e-2),
      reference: (x, w, b) =>
        onRows(x, (row) => {
          const mean = total(row) / columns;
          const inverse = 1 / Math.sqrt(total(row.map((v) => (v - mean) ** 2)) / columns + 1e-2);
          return row.map((v, i) => w.data[i]! * (v - mean) * inverse + b.data[i]!);
        }),
      tolerance: 4e-6,
    });
  });

  it.each(rowShapes.map((shape) => [shape]))('softmax and its kin %j', async (shape) => {
    const inputs = [noise(shape, 1, 6)];
    await checkOp(device(), { inputs, op: softmax, reference: (x) => onRows(x, softmaxRow) });
    await checkOp(device(), {
      inputs,
      op: logSoftmax,
      reference: (x) => onRows(x, (row) => row.map((v) => v - lse(row))),
    });
    await checkOp(device(), {
      inputs,
      op: logSumExp,
      reference: (x) => {
        const columns = shape.at(-1)!;
        const rows = x.data.length / columns;
        return fromFlat(
          shape.slice(0, -1),
          range(rows).map((i) => lse(x.data.subarray(i * columns, (i + 1) * columns))),
        );
      },
    });
  });

  it('softmax of extreme rows', async () => {
    const out = await scope(device(), () =>
      softmax(tensor(device(), [1e4, 0, -1e4, -Infinity, 0, 0, -Infinity, -Infinity, -Infinity], [3, 3])).data(),
    );
    expect([...out]).toEqual([1, 0, 0, 0, 0.5, 0.5, NaN, NaN, NaN]);
  });

  it.each([[[2]], [[3, 8]], [[2, 3, 34]]])('swiGlu %j', async (shape: number[]) => {
    const width = shape.at(-1)! / 2;
    await checkOp(device(), {
      inputs: [noise(shape, 1, 4)],
      op: swiGlu,
      reference: (x) =>
        ndarray([...shape.slice(0, -1), width], (index) => {
          const up = index.with(-1 + index.length, index.at(-1)! + width);
          return silu(at(x, index)) * at(x, up);
        }),
    });
  });

  describe('rotary', () => {
    const rotated =
      (interleaved: boolean, offset: number) =>
      (x: NdArray): NdArray => {
        const half = x.shape[3]! / 2;
        return ndarray(x.shape, ([b, s, h, i]) => {
          const pair = i! % half;
          const angle = (s! + offset) * 100 ** (-pair / half);
          const first = at(x, [b!, s!, h!, interleaved ? 2 * pair : pair]);
          const second = at(x, [b!, s!, h!, interleaved ? 2 * pair + 1 : pair + half]);
          return i! < half
            ? first * Math.cos(angle) - second * Math.sin(angle)
            : second * Math.cos(angle) + first * Math.sin(angle);
        });
      };
    it.each<[Shape, boolean, number]>([
      [[1, 1, 1, 2], false, 0],
      [[2, 5, 3, 8], false, 0],
      [[2, 5, 3, 8], true, 0],
      [[1, 3, 2, 6], false, 2],
      [[1, 3, 2, 32], true, 1],
    ])('%j interleaved %s offset %i', async (shape, interleaved, offset) => {
      await checkOp(device(), {
        inputs: [noise(shape, 1)],
        op: (x) => rotary(x, rotaryTables(device(), 8, shape[3]!, 100), { interleaved, offset }),
        reference: rotated(interleaved, offset),
      });
    });
  });

  describe('causalAttention', () => {
    const reference =
      (scale: number) =>
      (q: NdArray, k: NdArray, v: NdArray): NdArray => {
        const [batch, sequence, heads, headDim] = q.shape as [number, number, number, number];
        const share = heads / k.shape[2]!;
        // The queries are those of the last positions.
        const first = k.shape[1]! - sequence;
        const valueDim = v.shape[3]!;
        const out = new Float64Array(batch * sequence * heads * valueDim);
        for (const b of range(batch))
          for (const s of range(sequence))
            for (const h of range(heads)) {
              const g = Math.floor(h / share);
              const scores = Float64Array.from(
                range(first + s + 1),
                (t) => scale * total(range(headDim).map((d) => at(q, [b, s, h, d]) * at(k, [b, t, g, d]))),
              );
              const p = softmaxRow(scores);
              for (const d of range(valueDim))
                out[((b * sequence + s) * heads + h) * valueDim + d] = total(
                  range(first + s + 1).map((t) => p[t]! * at(v, [b, t, g, d])),
                );
            }
        return fromFlat([batch, sequence, heads, valueDim], out);
      };
    it.each([
      [1, 1, 1, 1, 1, 1, 1],
      [2, 5, 5, 4, 2, 4, 4],
      [1, 7, 7, 2, 2, 5, 3],
      [1, 9, 9, 3, 1, 8, 16],
      [2, 1, 6, 4, 2, 4, 3],
      [2, 3, 8, 6, 2, 5, 7],
    ])(
      'batch %i, sequence %i of %i, heads %i/%i, dims %i/%i',
      async (batch, sequence, positions, heads, keyHeads, headDim, valueDim) => {
        await checkOp(device(), {
          inputs: [
            noise([batch, sequence, heads, headDim], 1, 2),
            noise([batch, positions, keyHeads, headDim], 2, 2),
            noise([batch, positions, keyHeads, valueDim], 3),
          ],
          op: (q, k, v) => causalAttention(q, k, v),
          reference: reference(headDim ** -0.5),
          tolerance: 4e-6,
        });
      },
    );

    it.each([
      [70, 32],
      [130, 33],
    ])('values of a sequence of %i with headDim %i', async (sequence, headDim) => {
      const inputs = [
        noise([1, sequence, 4, headDim], 1, 2),
        noise([1, sequence, 2, headDim], 2, 2),
        noise([1, sequence, 2, headDim], 3),
      ];
      const expected = reference(0.3)(inputs[0]!, inputs[1]!, inputs[2]!);
      const out = await scope(device(), () => {
        const [q, k, v] = inputs.map((x) => tensor(device(), [...x.data], x.shape));
        return causalAttention(q!, k!, v!, 0.3).data();
      });
      expectClose(out, expected.data, 4e-6);
    });

    it('says what does not fit', () => {
      scope(device(), () => {
        const x = (positions: number): Tensor => zeros(device(), [1, positions, 2, 4]);
        expect(() => causalAttention(x(3), x(2), x(2))).toThrow('at least those of q');
        expect(() => causalAttention(x(1), x(2), x(3))).toThrow('q [1, 1, 2, 4], k [1, 2, 2, 4], v [1, 3, 2, 4]');
      });
    });

    it('does not look ahead', async () => {
      const [q, k, v] = [1, 2, 3].map((seed) => noise([1, 6, 2, 4], seed));
      const changed = (x: NdArray): NdArray => ({
        shape: x.shape,
        data: x.data.map((value, i) => (i >= 5 * 8 ? value + 1 : value)),
      });
      const run = (xs: NdArray[]): Promise<ArrayLike<number>> =>
        scope(device(), () => {
          const [a, b, c] = xs.map((x) => tensor(device(), [...x.data], x.shape));
          return causalAttention(a!, b!, c!).data();
        });
      const [before, after] = [await run([q!, k!, v!]), await run([q!, k!, v!].map(changed))];
      expect(Array.from(after).slice(0, 5 * 8)).toEqual(Array.from(before).slice(0, 5 * 8));
      expect(Array.from(after).slice(5 * 8)).not.toEqual(Array.from(before).slice(5 * 8));
    });
  });

  it('keeps rotary exact at the identity', async () => {
    const x = noise([1, 1, 2, 8], 1);
    const out = await scope(device(), () =>
      rotary(tensor(device(), [...x.data], x.shape), rotaryTables(device(), 1, 8, 1e4)).data(),
    );
    expectClose(out, map(x, (v) => v).data, 0);
  });
});
