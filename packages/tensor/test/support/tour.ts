/** Every kernel of the list with arguments that reach its branches, to hold one device against another. */
import type { Device, DeviceBuffer } from '../../src/devices/device.ts';
import type { BinaryOp, Kernels, ReduceOp, UnaryOp } from '../../src/devices/kernels.ts';
import { stridesOf } from '../../src/shape.ts';

/** Buffers made from numbers. */
export class Bench {
  readonly kernels: Kernels;
  readonly #device: Device;
  readonly #buffers: DeviceBuffer[] = [];
  #seed = 1;

  constructor(device: Device) {
    this.#device = device;
    this.kernels = device.kernels;
  }

  f32(data: ArrayLike<number>): DeviceBuffer {
    return this.#put(Float32Array.from(data));
  }

  i32(data: ArrayLike<number>): DeviceBuffer {
    return this.#put(Int32Array.from(data));
  }

  /** Never written. */
  empty(elements: number): DeviceBuffer {
    const buffer = this.#device.allocate(elements);
    this.#buffers.push(buffer);
    return buffer;
  }

  /** Numbers in [-1, 1), the same on every device. */
  noise(count: number): DeviceBuffer {
    return this.f32(numbers(count, this.#seed++));
  }

  positive(count: number): DeviceBuffer {
    return this.f32(numbers(count, this.#seed++).map((x) => Math.abs(x) + 0.1));
  }

  /** Whole numbers in [0, bound). */
  indices(count: number, bound: number): DeviceBuffer {
    return this.i32(wholeNumbers(count, bound, this.#seed++));
  }

  async read(buffer: DeviceBuffer, integer: boolean): Promise<Float32Array | Int32Array> {
    const bytes = await this.#device.read(buffer);
    return integer ? new Int32Array(bytes, 0, buffer.elements) : new Float32Array(bytes, 0, buffer.elements);
  }

  free(): void {
    for (const buffer of this.#buffers.splice(0)) this.#device.free(buffer);
  }

  #put(data: Float32Array | Int32Array): DeviceBuffer {
    const buffer = this.empty(data.length);
    this.#device.write(buffer, data);
    return buffer;
  }
}

function numbers(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) * 2 ** -23 - 1;
  });
}

function wholeNumbers(count: number, bound: number, seed: number): Int32Array {
  return Int32Array.from(numbers(count, seed), (x) => Math.min(bound - 1, Math.floor(((x + 1) / 2) * bound)));
}

/** What a case wrote: f32 unless named in `integers`. */
export interface Outcome {
  readonly floats?: Readonly<Record<string, DeviceBuffer>>;
  readonly integers?: Readonly<Record<string, DeviceBuffer>>;
  /** Error allowed, relative to the largest magnitude; 3e-6 by default. */
  readonly tolerance?: number;
}

export type Case = (bench: Bench) => Outcome;

const UNARY: readonly UnaryOp[] = [
  'negate',
  'abs',
  'sign',
  'reciprocal',
  'square',
  'sqrt',
  'rsqrt',
  'exp',
  'log',
  'sigmoid',
  'silu',
  'relu',
  'tanh',
  'softplus',
];
const BINARY: readonly BinaryOp[] = ['add', 'subtract', 'multiply', 'divide', 'maximum', 'minimum', 'greater', 'equal'];
const REDUCE: readonly ReduceOp[] = ['sum', 'max', 'min'];
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

const elementwise = {
  fill: (b) => {
    const [out, whole] = [b.empty(7), b.empty(5)];
    b.kernels.fill({ out, value: -infinity, count: 7, integer: false });
    b.kernels.fill({ out: whole, value: -3, count: 5, integer: true });
    return { floats: { out }, integers: { whole } };
  },
  affine: (b) => {
    const [x, out, same] = [b.noise(100), b.empty(100), b.empty(100)];
    b.kernels.affine({ x, out, scale: 2.5, shift: -1, count: 100 });
    b.kernels.affine({ x, out: same, scale: 1, shift: 0, count: 100 });
    b.kernels.affine({ x, out: x, scale: 3, shift: 0, count: 100 });
    return { floats: { x, out, same } };
  },
  unary: (b) => {
    const x = b.f32([0.5, 2, 0.001, 30, nan, infinity, ...numbers(20, 7).map((v) => v + 1.1)]);
    const floats = Object.fromEntries(UNARY.map((op) => [op, b.empty(26)]));
    for (const op of UNARY) b.kernels.unary({ op, x, out: floats[op]!, count: 26 });
    return { floats };
  },
  unaryBackward: (b) => {
    const [x, gradient] = [b.positive(33), b.noise(33)];
    const floats = Object.fromEntries(UNARY.map((op) => [op, b.empty(33)]));
    for (const op of UNARY) {
      const y = b.empty(33);
      b.kernels.unary({ op, x, out: y, count: 33 });
      b.kernels.unaryBackward({ op, x, y, gradient, out: floats[op]!, count: 33 });
    }
    return { floats };
  },
  binary: (b) => {
    const [p, q] = [b.f32([1, nan, 2, 3, -1, 0]), b.f32([1, 5, nan, 2, -4, -0])];
    const floats = Object.fromEntries(BINARY.map((op) => [op, b.empty(6)]));
    for (const op of BINARY) {
      b.kernels.binary({ op, a: p, b: q, out: floats[op]!, shape: [6], aStrides: [1], bStrides: [1] });
    }
    const shape = [2, 3, 2, 3, 2, 3];
    const six = b.empty(216);
    b.kernels.binary({
      op: 'add',
      a: b.noise(216),
      b: b.noise(8),
      out: six,
      shape,
      aStrides: stridesOf(shape),
      bStrides: [4, 0, 2, 0, 1, 0],
    });
    return { floats: { ...floats, six } };
  },
  cast: (b) => {
    const [whole, back] = [b.empty(6), b.empty(6)];
    b.kernels.cast({ x: b.f32([1.9, -1.9, 0, 100.5, -0.5, 7]), out: whole, count: 6, to: 'i32' });
    b.kernels.cast({ x: whole, out: back, count: 6, to: 'f32' });
    return { floats: { back }, integers: { whole } };
  },
  stridedCopy: (b) => {
    const [turned, into, rows, whole, fresh] = [
      b.empty(105),
      b.noise(4 * 6 * 5),
      b.noise(40),
      b.i32([1, 2, 3]),
      b.empty(12),
    ];
    b.kernels.stridedCopy({
      x: b.noise(105),
      xOffset: 0,
      xStrides: [1, 7, 35],
      out: turned,
      outOffset: 0,
      outStrides: [15, 3, 1],
      shape: [7, 5, 3],
    });
    b.kernels.stridedCopy({
      x: b.noise(60),
      xOffset: 3,
      xStrides: [12, 2, 0],
      out: into,
      outOffset: 37,
      outStrides: [30, 5, 1],
      shape: [2, 4, 3],
    });
    b.kernels.stridedCopy({
      x: b.noise(9),
      xOffset: 0,
      xStrides: [1],
      out: rows,
      outOffset: 11,
      outStrides: [3],
      shape: [9],
    });
    const copy = b.empty(3);
    b.kernels.stridedCopy({
      x: whole,
      xOffset: 0,
      xStrides: [1],
      out: copy,
      outOffset: 0,
      outStrides: [1],
      shape: [3],
    });
    for (const offset of [0, 6]) {
      b.kernels.stridedCopy({
        x: b.noise(6),
        xOffset: 0,
        xStrides: [1],
        out: fresh,
        outOffset: offset,
        outStrides: [1],
        shape: [6],
      });
    }
    return { floats: { turned, into, rows, fresh }, integers: { copy } };
  },
} satisfies Partial<Record<keyof Kernels, Case>>;

const reductions = {
  reduce: (b) => {
    const shapes = [
      [1, 1, 1],
      [3, 0, 5],
      [2, 1023, 1],
      [3, 257, 19],
      [1, 70_001, 1],
      [7, 33, 12],
      [300, 2, 4],
    ] as const;
    const floats: Record<string, DeviceBuffer> = {};
    for (const [outer, length, inner] of shapes) {
      const x = b.noise(outer * length * inner);
      for (const op of REDUCE) {
        const out = (floats[`${op} ${outer} ${length} ${inner}`] = b.empty(outer * inner));
        b.kernels.reduce({ op, x, out, outer, length, inner });
      }
    }
    for (const op of REDUCE) {
      const out = (floats[`${op} of NaN`] = b.empty(2));
      b.kernels.reduce({ op, x: b.f32([1, nan, 2, 3, infinity, -infinity, 4, 5]), out, outer: 2, length: 4, inner: 1 });
    }
    // The sum of both infinities is NaN as well.
    return { floats };
  },
  sumOfSquares: (b) => {
    const [some, none] = [b.empty(1), b.empty(1)];
    const counts = [5, 0, 3, 20_000, 7, 300, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    b.kernels.sumOfSquares({ xs: counts.map((count) => ({ x: b.noise(count), count })), out: some });
    b.kernels.sumOfSquares({ xs: [], out: none });
    return { floats: { some, none } };
  },
} satisfies Partial<Record<keyof Kernels, Case>>;

const products = {
  matmul: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    const shapes = [
      [1, 5, 8, 7],
      [3, 9, 12, 33],
      [1, 6, 3, 5],
      [2, 1, 1, 1],
      [1, 70, 36, 64],
      [2, 66, 8, 5],
      [1, 4, 8, 0],
      [1, 33, 20, 600],
    ] as const;
    for (const [batch, m, n, k] of shapes) {
      for (const [transposeA, transposeB] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ] as const) {
        for (const accumulate of [false, true]) {
          const out = b.noise(batch * m * n);
          floats[`${batch} ${m} ${n} ${k} ${transposeA} ${transposeB} ${accumulate}`] = out;
          b.kernels.matmul({
            a: b.noise(batch * m * k),
            b: b.noise(batch * k * n),
            out,
            batch,
            m,
            n,
            k,
            transposeA,
            transposeB,
            aBatchStride: m * k,
            bBatchStride: batch === 2 ? k * n : 0,
            accumulate,
          });
        }
      }
    }
    return { floats };
  },
  groupedMatmul: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const sizes of [[3, 0, 5, 1], [0, 0, 9], [100], [0, 4, 0, 0, 2, 70, 0]]) {
      const offsets = [0];
      for (const size of sizes) offsets.push(offsets.at(-1)! + size);
      const rows = offsets.at(-1)!;
      for (const [n, k] of [
        [8, 5],
        [7, 12],
      ] as const) {
        for (const transposeWeights of [false, true]) {
          const out = (floats[`${sizes.join()} ${n} ${transposeWeights}`] = b.empty(rows * n));
          b.kernels.groupedMatmul({
            x: b.noise(rows * k),
            weights: b.noise(sizes.length * n * k),
            offsets: b.i32(offsets),
            out,
            groups: sizes.length,
            rows,
            n,
            k,
            transposeWeights,
          });
        }
      }
    }
    return { floats };
  },
  groupedMatmulTransposed: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const sizes of [[3, 0, 5, 1], [0, 0], [300]]) {
      const offsets = [0];
      for (const size of sizes) offsets.push(offsets.at(-1)! + size);
      const rows = offsets.at(-1)!;
      for (const n of [8, 7]) {
        const out = (floats[`${sizes.join()} ${n}`] = b.empty(sizes.length * 5 * n));
        b.kernels.groupedMatmulTransposed({
          a: b.noise(rows * 5),
          b: b.noise(rows * n),
          offsets: b.i32(offsets),
          out,
          groups: sizes.length,
          rows,
          m: 5,
          n,
        });
      }
    }
    return { floats };
  },
} satisfies Partial<Record<keyof Kernels, Case>>;

const ROWS = [
  [3, 5],
  [4, 1],
  [2, 300],
  [0, 4],
  [9, 64],
] as const;

const layers = {
  rmsNorm: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const [rows, columns] of ROWS) {
      const out = (floats[`out ${columns}`] = b.empty(rows * columns));
      const inverseRms = (floats[`inverse ${columns}`] = b.empty(rows));
      b.kernels.rmsNorm({
        x: b.noise(rows * columns),
        weight: b.noise(columns),
        out,
        inverseRms,
        rows,
        columns,
        epsilon: 1e-6,
      });
    }
    return { floats };
  },
  rmsNormBackward: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const [rows, columns] of ROWS) {
      const gradX = (floats[`x ${columns}`] = b.empty(rows * columns));
      const gradWeight = (floats[`weight ${columns}`] = b.empty(columns));
      const size = rows * columns;
      b.kernels.rmsNormBackward({
        x: b.noise(size),
        weight: b.noise(columns),
        inverseRms: b.positive(rows),
        gradient: b.noise(size),
        gradX,
        gradWeight,
        rows,
        columns,
      });
    }
    return { floats, tolerance: 1e-5 };
  },
  layerNorm: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const [rows, columns] of ROWS) {
      const out = (floats[`out ${columns}`] = b.empty(rows * columns));
      const mean = (floats[`mean ${columns}`] = b.empty(rows));
      const inverseStd = (floats[`inverse ${columns}`] = b.empty(rows));
      b.kernels.layerNorm({
        x: b.noise(rows * columns),
        weight: b.noise(columns),
        bias: b.noise(columns),
        out,
        mean,
        inverseStd,
        rows,
        columns,
        epsilon: 1e-5,
      });
    }
    return { floats, tolerance: 1e-5 };
  },
  layerNormBackward: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const [rows, columns] of ROWS) {
      const gradX = (floats[`x ${columns}`] = b.empty(rows * columns));
      const gradWeight = (floats[`weight ${columns}`] = b.empty(columns));
      const gradBias = (floats[`bias ${columns}`] = b.empty(columns));
      const size = rows * columns;
      b.kernels.layerNormBackward({
        x: b.noise(size),
        weight: b.noise(columns),
        mean: b.noise(rows),
        inverseStd: b.positive(rows),
        gradient: b.noise(size),
        gradX,
        gradWeight,
        gradBias,
        rows,
        columns,
      });
    }
    return { floats, tolerance: 1e-5 };
  },
  softmax: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const [rows, columns] of ROWS) {
      const out = (floats[`${columns}`] = b.empty(rows * columns));
      b.kernels.softmax({ x: b.noise(rows * columns), out, rows, columns });
    }
    return { floats };
  },
  softmaxBackward: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const [rows, columns] of ROWS) {
      const out = (floats[`${columns}`] = b.empty(rows * columns));
      b.kernels.softmaxBackward({
        y: b.positive(rows * columns),
        gradient: b.noise(rows * columns),
        out,
        rows,
        columns,
      });
    }
    return { floats };
  },
  logSumExp: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const [rows, columns] of ROWS) {
      const out = (floats[`${columns}`] = b.empty(rows));
      b.kernels.logSumExp({ x: b.noise(rows * columns), out, rows, columns });
    }
    return { floats };
  },
  swiGlu: (b) => {
    const out = b.empty(9 * 20);
    b.kernels.swiGlu({ x: b.noise(9 * 40), out, rows: 9, width: 20 });
    return { floats: { out } };
  },
  swiGluBackward: (b) => {
    const gradX = b.empty(9 * 40);
    b.kernels.swiGluBackward({ x: b.noise(9 * 40), gradient: b.noise(9 * 20), gradX, rows: 9, width: 20 });
    return { floats: { gradX } };
  },
  rope: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const interleaved of [false, true]) {
      for (const inverse of [false, true]) {
        const out = (floats[`${interleaved} ${inverse}`] = b.empty(2 * 5 * 3 * 6));
        b.kernels.rope({
          x: b.noise(180),
          cos: b.noise(24),
          sin: b.noise(24),
          out,
          batch: 2,
          sequence: 5,
          heads: 3,
          headDim: 6,
          offset: 3,
          interleaved,
          inverse,
        });
      }
    }
    return { floats };
  },
} satisfies Partial<Record<keyof Kernels, Case>>;

const ATTENTIONS = [
  { batch: 2, sequence: 8, heads: 4, keyHeads: 2, headDim: 4, valueDim: 8 },
  { batch: 1, sequence: 7, heads: 3, keyHeads: 1, headDim: 5, valueDim: 3 },
  { batch: 1, sequence: 1, heads: 1, keyHeads: 1, headDim: 1, valueDim: 1 },
  // 512 scores a sequence.
  { batch: 9, sequence: 16, heads: 2, keyHeads: 1, headDim: 1, valueDim: 1 },
];

const others = {
  attention: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const sizes of ATTENTIONS) {
      const { batch, sequence, heads, keyHeads, headDim, valueDim } = sizes;
      const positions = batch * sequence;
      const out = (floats[`out ${positions}`] = b.empty(positions * heads * valueDim));
      const logSumExp = (floats[`log ${positions}`] = b.empty(positions * heads));
      const [q, k, v] = [
        b.noise(positions * heads * headDim),
        b.noise(positions * keyHeads * headDim),
        b.noise(positions * keyHeads * valueDim),
      ];
      b.kernels.attention({ q, k, v, out, logSumExp, ...sizes, scale: 0.7 });
    }
    return { floats };
  },
  attentionBackward: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    for (const sizes of ATTENTIONS) {
      const { batch, sequence, heads, keyHeads, headDim, valueDim } = sizes;
      const positions = batch * sequence;
      const [q, k, v] = [
        b.noise(positions * heads * headDim),
        b.noise(positions * keyHeads * headDim),
        b.noise(positions * keyHeads * valueDim),
      ];
      const [out, logSumExp] = [b.empty(positions * heads * valueDim), b.empty(positions * heads)];
      b.kernels.attention({ q, k, v, out, logSumExp, ...sizes, scale: 0.7 });
      const [gradQ, gradK, gradV] = [b.empty(q.elements), b.empty(k.elements), b.empty(v.elements)];
      b.kernels.attentionBackward({
        q,
        k,
        v,
        out,
        logSumExp,
        gradient: b.noise(out.elements),
        gradQ,
        gradK,
        gradV,
        ...sizes,
        scale: 0.7,
      });
      Object.assign(floats, { [`q ${positions}`]: gradQ, [`k ${positions}`]: gradK, [`v ${positions}`]: gradV });
    }
    return { floats, tolerance: 1e-5 };
  },
  countLabels: (b) => {
    const [some, none, many] = [b.empty(1), b.empty(1), b.empty(1)];
    b.kernels.countLabels({ labels: b.i32([3, -100, 0, -100, 5]), out: some, rows: 5, ignoredLabel: -100 });
    b.kernels.countLabels({ labels: b.i32([]), out: none, rows: 0, ignoredLabel: -100 });
    b.kernels.countLabels({ labels: b.indices(1000, 3), out: many, rows: 1000, ignoredLabel: 1 });
    return { floats: { some, none, many } };
  },
  softmaxCrossEntropy: (b) => {
    const [logits, losses, kept] = [b.noise(4 * 300), b.noise(10), b.noise(20)];
    const labels = b.i32([9, 9, 299, -100, 0, 17]);
    b.kernels.softmaxCrossEntropy({
      logits,
      labels,
      labelOffset: 2,
      losses,
      lossOffset: 3,
      scale: b.f32([0.25]),
      rows: 4,
      columns: 300,
      ignoredLabel: -100,
    });
    b.kernels.softmaxCrossEntropy({
      logits: kept,
      labels: b.i32([1, 2]),
      labelOffset: 0,
      losses,
      lossOffset: 0,
      scale: null,
      rows: 2,
      columns: 10,
      ignoredLabel: -100,
    });
    return { floats: { logits, losses, kept } };
  },
  topK: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    const integers: Record<string, DeviceBuffer> = {};
    const tie = b.f32([1, 3, 3, nan, -infinity, 3, nan, infinity, 0, -0]);
    const xs = [
      [tie, 1, 10, 10],
      [b.noise(5 * 33), 5, 33, 8],
      [b.noise(3), 3, 1, 1],
      [b.noise(2 * 200), 2, 200, 3],
    ] as const;
    for (const [x, rows, columns, k] of xs) {
      const values = (floats[`${columns}`] = b.empty(rows * k));
      const indices = (integers[`${columns}`] = b.empty(rows * k));
      b.kernels.topK({ x, values, indices, rows, columns, k });
    }
    return { floats, integers };
  },
  takeAlongRows: (b) => {
    const out = b.empty(3 * 2);
    b.kernels.takeAlongRows({ x: b.noise(3 * 7), indices: b.indices(6, 7), out, rows: 3, columns: 7, k: 2 });
    return { floats: { out } };
  },
  scatterAlongRows: (b) => {
    const out = b.empty(3 * 7);
    b.kernels.scatterAlongRows({
      x: b.noise(6),
      indices: b.i32([0, 6, 3, 2, 5, 1]),
      out,
      fill: -infinity,
      rows: 3,
      columns: 7,
      k: 2,
    });
    return { floats: { out } };
  },
  gatherRows: (b) => {
    const [plain, weighted] = [b.empty(6 * 5), b.empty(6 * 5)];
    const table = b.noise(4 * 5);
    b.kernels.gatherRows({
      table,
      height: 4,
      indices: b.indices(6, 4),
      divisor: 1,
      weights: null,
      out: plain,
      rows: 6,
      columns: 5,
    });
    b.kernels.gatherRows({
      table,
      height: 4,
      indices: b.indices(6, 12),
      divisor: 3,
      weights: b.noise(12),
      out: weighted,
      rows: 6,
      columns: 5,
    });
    return { floats: { plain, weighted } };
  },
  gatherSum: (b) => {
    const [plain, weighted] = [b.empty(3 * 5), b.empty(3 * 5)];
    const [x, positions] = [b.noise(6 * 5), b.indices(6, 6)];
    b.kernels.gatherSum({ x, height: 6, positions, weights: null, out: plain, rows: 3, k: 2, columns: 5 });
    b.kernels.gatherSum({ x, height: 6, positions, weights: b.noise(6), out: weighted, rows: 3, k: 2, columns: 5 });
    return { floats: { plain, weighted } };
  },
  gatherDot: (b) => {
    const [short, long] = [b.empty(4 * 3), b.empty(2 * 3)];
    b.kernels.gatherDot({
      a: b.noise(4 * 5),
      x: b.noise(12 * 5),
      height: 12,
      positions: b.indices(12, 12),
      out: short,
      rows: 4,
      k: 3,
      columns: 5,
    });
    b.kernels.gatherDot({
      a: b.noise(2 * 300),
      x: b.noise(6 * 300),
      height: 6,
      positions: b.indices(6, 6),
      out: long,
      rows: 2,
      k: 3,
      columns: 300,
    });
    return { floats: { short, long } };
  },
  segmentPlan: (b) => {
    const integers: Record<string, DeviceBuffer> = {};
    for (const [count, segments] of [
      [0, 3],
      [1, 1],
      [9, 4],
      [700, 5],
      [2000, 512],
      [1500, 513],
      [900, 300_000],
    ] as const) {
      const [counts, offsets] = [b.empty(segments), b.empty(segments + 1)];
      const [order, inverse] = [b.empty(count), b.empty(count)];
      b.kernels.segmentPlan({ keys: b.indices(count, segments), counts, offsets, order, inverse, count, segments });
      for (const [name, buffer] of Object.entries({ counts, offsets, order, inverse }))
        integers[`${name} ${count} ${segments}`] = buffer;
    }
    return { integers };
  },
  segmentSum: (b) => {
    const [plain, shared, none] = [b.empty(4 * 5), b.empty(4 * 5), b.empty(2 * 5)];
    const offsets = b.i32([0, 3, 3, 5, 6]);
    b.kernels.segmentSum({
      x: b.noise(6 * 5),
      height: 6,
      order: b.i32([5, 0, 2, 1, 4, 3]),
      offsets,
      divisor: 1,
      out: plain,
      segments: 4,
      columns: 5,
    });
    b.kernels.segmentSum({
      x: b.noise(2 * 5),
      height: 2,
      order: b.i32([5, 0, 2, 1, 4, 3]),
      offsets,
      divisor: 3,
      out: shared,
      segments: 4,
      columns: 5,
    });
    b.kernels.segmentSum({
      x: b.noise(0),
      height: 0,
      order: b.i32([]),
      offsets: b.i32([0, 0, 0]),
      divisor: 1,
      out: none,
      segments: 2,
      columns: 5,
    });
    return { floats: { plain, shared, none } };
  },
  random: (b) => {
    const [uniform, normal] = [b.empty(1001), b.empty(1002)];
    b.kernels.random({ out: uniform, distribution: 'uniform', count: 1001, keyLow: 5, keyHigh: 0x9000_0001 });
    b.kernels.random({ out: normal, distribution: 'normal', count: 1002, keyLow: 0xffff_ffff, keyHigh: 3 });
    return { floats: { uniform, normal } };
  },
  adamW: (b) => {
    const floats: Record<string, DeviceBuffer> = {};
    const segments = [5, 0, 130, 64, 1, 7, 33, 12].map((count, i) => ({
      parameter: b.noise(count),
      gradient: b.noise(count),
      firstMoment: b.noise(count),
      secondMoment: b.positive(count),
      count,
      weightDecay: 0.1 * i,
    }));
    // The second step goes on from the first, the third leaves some out.
    for (const [step, scale, taken] of [
      [1, null, segments],
      [2, b.f32([0.3]), segments],
      [7, b.f32([0.9]), segments.slice(2, 5)],
    ] as const) {
      b.kernels.adamW({
        segments: taken,
        gradientScale: scale,
        learningRate: 0.01,
        beta1: 0.9,
        beta2: 0.95,
        epsilon: 1e-8,
        step,
      });
    }
    for (const [i, { parameter, firstMoment, secondMoment }] of segments.entries()) {
      Object.assign(floats, { [`p ${i}`]: parameter, [`m ${i}`]: firstMoment, [`v ${i}`]: secondMoment });
    }
    return { floats };
  },
} satisfies Partial<Record<keyof Kernels, Case>>;

/** A case for each kernel; a kernel without one does not compile. */
export const tour: Readonly<Record<keyof Kernels, Case>> = {
  ...elementwise,
  ...reductions,
  ...products,
  ...layers,
  ...others,
};
