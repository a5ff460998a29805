/** Records the elementwise kernels and strided copies: chooses tiles and the fast paths. */
import type { DeviceBuffer } from '../../device.ts';
import type { BinaryOp, Kernels, UnaryOp } from '../../kernels.ts';
import * as opcodes from '../opcodes.ts';
import { floatBits, type Recorder } from '../recorder.ts';

/** Elements of one tile: some microseconds of work. */
const CHUNK = 8192;

/** Side of the blocks in which matrices are transposed; the kernel counts on it. */
const TRANSPOSE_SIDE = 64;

const UNARY_OPS: Record<UnaryOp, number> = {
  negate: opcodes.OP_NEGATE,
  abs: opcodes.OP_ABS,
  sign: opcodes.OP_SIGN,
  reciprocal: opcodes.OP_RECIPROCAL,
  square: opcodes.OP_SQUARE,
  sqrt: opcodes.OP_SQRT,
  rsqrt: opcodes.OP_RSQRT,
  exp: opcodes.OP_EXP,
  log: opcodes.OP_LOG,
  sigmoid: opcodes.OP_SIGMOID,
  silu: opcodes.OP_SILU,
  relu: opcodes.OP_RELU,
  tanh: opcodes.OP_TANH,
  softplus: opcodes.OP_SOFTPLUS,
};

const BINARY_OPS: Record<BinaryOp, number> = {
  add: opcodes.OP_ADD,
  subtract: opcodes.OP_SUBTRACT,
  multiply: opcodes.OP_MULTIPLY,
  divide: opcodes.OP_DIVIDE,
  maximum: opcodes.OP_MAXIMUM,
  minimum: opcodes.OP_MINIMUM,
  greater: opcodes.OP_GREATER,
  equal: opcodes.OP_EQUAL,
};

/** An axis of a box that two buffers share; strides in elements. */
interface Axis {
  size: number;
  first: number;
  second: number;
}

/** The axes of a box without those of size 1, neighbours merged where one stride reaches over both. */
function mergeAxes(axes: readonly Axis[]): Axis[] {
  const merged: Axis[] = [];
  for (const axis of axes) {
    const before = merged.at(-1);
    if (axis.size === 1) continue;
    if (before && before.first === axis.first * axis.size && before.second === axis.second * axis.size) {
      merged[merged.length - 1] = { ...axis, size: before.size * axis.size };
    } else {
      merged.push(axis);
    }
  }
  return merged;
}

const sizeOf = (axes: readonly Axis[]): number => axes.reduce((product, axis) => product * axis.size, 1);

/** Words that describe the outer axes to the kernels. */
const axesWords = (axes: readonly Axis[]): number[] => [
  axes.length,
  ...axes.flatMap(({ size, first, second }) => [size, first, second]),
];

/** How `rows` rows of `inner` elements are cut: the leading words of a box kernel and the number of tiles. */
function boxTiles(rows: number, inner: number): { tiles: number; words: number[] } {
  const rowsPerTile = Math.max(1, Math.floor(CHUNK / inner));
  const chunksPerRow = Math.ceil(inner / CHUNK);
  return {
    tiles: Math.ceil(rows / rowsPerTile) * chunksPerRow,
    words: [rows, inner, rowsPerTile, chunksPerRow, Math.min(CHUNK, inner)],
  };
}

export function elementwiseKernels(
  recorder: Recorder,
): Pick<Kernels, 'fill' | 'affine' | 'unary' | 'unaryBackward' | 'binary' | 'cast' | 'stridedCopy'> {
  const address = (buffer: DeviceBuffer): number => recorder.address(buffer);
  const recordFlat = (opcode: number, count: number, words: readonly number[]): void =>
    recorder.record(opcode, Math.ceil(count / CHUNK), [count, CHUNK, ...words]);

  return {
    fill: ({ out, value, count, integer }) =>
      recordFlat(opcodes.FILL, count, [address(out), integer ? value : floatBits(value)]),

    affine: ({ x, out, scale, shift, count }) =>
      recordFlat(opcodes.AFFINE, count, [address(x), address(out), floatBits(scale), floatBits(shift)]),

    unary: ({ op, x, out, count }) => recordFlat(opcodes.UNARY, count, [address(x), address(out), UNARY_OPS[op]]),

    unaryBackward: ({ op, x, y, gradient, out, count }) =>
      recordFlat(opcodes.UNARY_BACKWARD, count, [
        ...[address(x), address(y), address(gradient), address(out)],
        UNARY_OPS[op],
      ]),

    cast: ({ x, out, count, to }) => recordFlat(opcodes.CAST, count, [address(x), address(out), to === 'i32' ? 1 : 0]),

    binary({ op, a, b, out, shape, aStrides, bStrides }) {
      const axes = shape.map((size, axis) => ({ size, first: aStrides[axis]!, second: bStrides[axis]! }));
      if (sizeOf(axes) === 0) return;
      const outer = mergeAxes(axes);
      const inner = outer.pop() ?? { size: 1, first: 0, second: 0 };
      const { tiles, words } = boxTiles(sizeOf(outer), inner.size);
      recorder.record(opcodes.BINARY, tiles, [
        ...words,
        ...[address(a), address(b), address(out), BINARY_OPS[op], inner.first, inner.second],
        ...axesWords(outer),
      ]);
    },

    stridedCopy({ x, xOffset, xStrides, out, outOffset, outStrides, shape }) {
      const axes = shape.map((size, axis) => ({ size, first: xStrides[axis]!, second: outStrides[axis]! }));
      if (sizeOf(axes) === 0) return;
      const from = address(x) + 4 * xOffset;
      const to = address(out) + 4 * outOffset;
      // Any order of the axes copies the same; descending strides of `out` let the most axes merge.
      const outer = mergeAxes(axes.toSorted((p, q) => q.second - p.second));
      const inner = outer.pop() ?? { size: 1, first: 1, second: 1 };
      const across = outer.findIndex((axis) => axis.first === 1);
      if (inner.second === 1 && inner.first > 1 && across >= 0) {
        const [tall] = outer.splice(across, 1);
        const blockRows = Math.ceil(tall!.size / TRANSPOSE_SIDE);
        const blockColumns = Math.ceil(inner.size / TRANSPOSE_SIDE);
        recorder.record(opcodes.COPY_TRANSPOSED, sizeOf(outer) * blockRows * blockColumns, [
          ...[from, to, tall!.size, inner.size, inner.first, tall!.second],
          ...[blockRows, blockColumns],
          ...axesWords(outer),
        ]);
        return;
      }
      const { tiles, words } = boxTiles(sizeOf(outer), inner.size);
      recorder.record(opcodes.COPY_ROWS, tiles, [
        ...words,
        ...[from, to, inner.first, inner.second],
        ...axesWords(outer),
      ]);
    },
  };
}
