/** Records the elementwise kernels: flat ones chunk by chunk, those of two arguments over boxes. */
import { sizeOf } from '../../../shape.ts';
import type { BinaryOp, ElementwiseKernels, UnaryOp } from '../../kernels/elementwise.ts';
import { floatBits } from '../commands/encoding.ts';
import * as constants from '../constants.ts';
import type { Recorder } from '../recorder.ts';
import { boxOf, CHUNK, tileBox } from './boxes.ts';

const UNARY_OPS: Record<UnaryOp, number> = {
  negate: constants.OP_NEGATE,
  abs: constants.OP_ABS,
  sign: constants.OP_SIGN,
  reciprocal: constants.OP_RECIPROCAL,
  square: constants.OP_SQUARE,
  sqrt: constants.OP_SQRT,
  rsqrt: constants.OP_RSQRT,
  exp: constants.OP_EXP,
  log: constants.OP_LOG,
  sigmoid: constants.OP_SIGMOID,
  silu: constants.OP_SILU,
  relu: constants.OP_RELU,
  tanh: constants.OP_TANH,
  softplus: constants.OP_SOFTPLUS,
};

const BINARY_OPS: Record<BinaryOp, number> = {
  add: constants.OP_ADD,
  subtract: constants.OP_SUBTRACT,
  multiply: constants.OP_MULTIPLY,
  divide: constants.OP_DIVIDE,
  maximum: constants.OP_MAXIMUM,
  minimum: constants.OP_MINIMUM,
  greater: constants.OP_GREATER,
  equal: constants.OP_EQUAL,
};

const tilesOf = (count: number): number => Math.ceil(count / CHUNK);

export function elementwiseKernels(recorder: Recorder): ElementwiseKernels {
  return {
    fill({ out, value, count, integer }) {
      recorder.record('FILL', tilesOf(count), { count, chunk: CHUNK, out, bits: integer ? value : floatBits(value) });
    },

    affine({ x, out, scale, shift, count }) {
      recorder.record('AFFINE', tilesOf(count), { count, chunk: CHUNK, x, out, scale, shift });
    },

    unary({ op, x, out, count }) {
      recorder.record('UNARY', tilesOf(count), { count, chunk: CHUNK, x, out, op: UNARY_OPS[op] });
    },

    unaryBackward({ op, input, gradient, out, count }) {
      const words = { count, chunk: CHUNK, input, gradient, out, op: UNARY_OPS[op] };
      recorder.record('UNARY_BACKWARD', tilesOf(count), words);
    },

    binary({ op, a, b, out, shape, aStrides, bStrides }) {
      if (sizeOf(shape) === 0) return;
      const box = boxOf(shape, aStrides, bStrides);
      const { tiles, rows, inner, rowsPerTile, chunksPerRow, chunkColumns } = tileBox(box);
      recorder.record('BINARY', tiles, {
        rows,
        inner,
        rowsPerTile,
        chunksPerRow,
        chunkColumns,
        a,
        b,
        out,
        op: BINARY_OPS[op],
        aStride: box.inner.first,
        bStride: box.inner.second,
        axes: box.outer,
      });
    },

    cast({ x, out, count, to }) {
      recorder.record('CAST', tilesOf(count), { count, chunk: CHUNK, x, out, toInteger: to === 'i32' });
    },
  };
}
