/** Normalisations, softmax, SwiGLU and rotary embeddings: reductions over rows, then one launch over the elements. */
import type { Kernels } from '../../kernels.ts';
import { axes, indexOf, int } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { reduceElements } from './reduce.ts';

/** One number a row: the sum (or maximum) over its columns of an expression in `c` (the index of the element) and `row`. */
export function reduceRows(
  run: Recorder,
  of: {
    readonly key: string;
    readonly rows: number;
    readonly columns: number;
    readonly buffers: Readonly<Record<string, Value>>;
    readonly element: (at: string, row: string, column: string) => string;
    readonly op?: 'sum' | 'max';
    readonly finish?: string;
    readonly numbers?: Readonly<Record<string, number>>;
  },
): Value {
  const { rows, columns, element, op = 'sum', ...rest } = of;
  return reduceElements(run, {
    ...rest,
    op,
    outer: rows,
    length: columns,
    inner: 1,
    element: (row, column) => element(indexOf([column, row], [1, columns]), row, column),
  });
}

/** One number a column: the sum over the rows of an expression. */
function sumRows(
  run: Recorder,
  of: {
    readonly key: string;
    readonly rows: number;
    readonly columns: number;
    readonly buffers: Readonly<Record<string, Value>>;
    readonly element: (at: string, row: string, column: string) => string;
  },
): Value {
  const { rows, columns, element, ...rest } = of;
  return reduceElements(run, {
    ...rest,
    op: 'sum',
    outer: 1,
    length: rows,
    inner: columns,
    element: (_, row, column) => element(indexOf([column, row], [1, columns]), row, column),
  });
}

/** The largest element of each row, and the logarithm of the sum of exponentials. */
export function rowLogSumExp(run: Recorder, x: Value, rows: number, columns: number): Value {
  const largest = reduceRows(run, { key: 'x', rows, columns, buffers: { x }, op: 'max', element: (at) => `x[${at}]` });
  const sums = reduceRows(run, {
    key: 'exp above',
    rows,
    columns,
    buffers: { x, largest },
    element: (at, row) => `Math.exp(x[${at}] - largest[${row}])`,
  });
  return run.launch({
    key: 'log of sum above',
    extents: axes(rows).extents,
    buffers: { sums, largest },
    body: () => 'return Math.log(sums[this.thread.x]) + largest[this.thread.x];',
  });
}

type Layers = Pick<
  Kernels,
  | 'rmsNorm'
  | 'rmsNormBackward'
  | 'layerNorm'
  | 'layerNormBackward'
  | 'softmax'
  | 'softmaxBackward'
  | 'logSumExp'
  | 'swiGlu'
  | 'swiGluBackward'
  | 'rope'
>;

export function layerKernels(run: Recorder): Layers {
  /** A launch over `[rows, columns]`; `body` gets the index of the element, its row and its column. */
  const overElements = (
    key: string,
    rows: number,
    columns: number,
    buffers: Readonly<Record<string, Value>>,
    body: (at: string, row: string, column: string) => string,
    numbers: Readonly<Record<string, number>> = {},
  ): Value => {
    const { extents, at } = axes(columns, rows);
    return run.launch({
      key: `${key} ${columns} ${at.join()}`,
      extents,
      buffers,
      numbers,
      body: () => body(indexOf(at, [1, columns]), at[1]!, at[0]!),
    });
  };

  return {
    rmsNorm({ x: xBuffer, weight, out, inverseRms, rows, columns, epsilon }) {
      if (rows === 0) return;
      const x = run.value(xBuffer);
      const inverse = reduceRows(run, {
        key: 'squares',
        rows,
        columns,
        buffers: { x },
        numbers: { epsilon },
        element: (at) => `x[${at}] * x[${at}]`,
        finish: `1 / Math.sqrt(total / ${columns} + epsilon)`,
      });
      run.store(inverseRms, inverse);
      if (columns === 0) return;
      const buffers = { x, weight: run.value(weight), inverse };
      const value = overElements(
        'rmsNorm',
        rows,
        columns,
        buffers,
        (at, row, column) => `return weight[${column}] * x[${at}] * inverse[${row}];`,
      );
      run.store(out, value);
    },

    rmsNormBackward({ x: xBuffer, weight: weightBuffer, inverseRms, gradient: g, gradX, gradWeight, rows, columns }) {
      if (columns === 0) return;
      const [x, weight] = [run.value(xBuffer), run.value(weightBuffer)];
      const [inverse, gradient] = [run.value(inverseRms), run.value(g)];
      if (rows === 0) {
        run.store(gradWeight, run.constant(columns, 0));
        return;
      }
      const dots = reduceRows(run, {
        key: 'rmsNorm dot',
        rows,
        columns,
        buffers: { x, weight, gradient },
        element: (at, _, column) => `weight[${column}] * gradient[${at}] * x[${at}]`,
      });
      const value = overElements(
        'rmsNormBackward',
        rows,
        columns,
        { x, weight, gradient, inverse, dots },
        (at, row, column) => `const scale = inverse[${row}];
          return scale * (weight[${column}] * gradient[${at}] - x[${at}] * (scale * scale * dots[${row}] / ${columns}));`,
      );
      run.store(gradX, value);
      const sums = sumRows(run, {
        key: 'rmsNorm weight',
        rows,
        columns,
        buffers: { x, gradient, inverse },
        element: (at, row) => `gradient[${at}] * x[${at}] * inverse[${row}]`,
      });
      run.store(gradWeight, sums);
    },

    layerNorm({ x: xBuffer, weight, bias, out, mean, inverseStd, rows, columns, epsilon }) {
      if (rows === 0) return;
      const x = run.value(xBuffer);
      const means = reduceRows(run, {
        key: 'x',
        rows,
        columns,
        buffers: { x },
        element: (at) => `x[${at}]`,
        finish: `total / ${columns}`,
      });
      const inverse = reduceRows(run, {
        key: 'squares around',
        rows,
        columns,
        buffers: { x, means },
        numbers: { epsilon },
        element: (at, row) => `(x[${at}] - means[${row}]) * (x[${at}] - means[${row}])`,
        finish: `1 / Math.sqrt(total / ${columns} + epsilon)`,
      });
      run.store(mean, means);
      run.store(inverseStd, inverse);
      if (columns === 0) return;
      const value = overElements(
        'layerNorm',
        rows,
        columns,
        { x, weight: run.value(weight), bias: run.value(bias), means, inverse },
        (at, row, column) =>
          `return weight[${column}] * ((x[${at}] - means[${row}]) * inverse[${row}]) + bias[${column}];`,
      );
      run.store(out, value);
    },

    layerNormBackward({ gradient: g, gradX, gradWeight, gradBias, rows, columns, ...given }) {
      if (columns === 0) return;
      if (rows === 0) {
        run.store(gradWeight, run.constant(columns, 0));
        run.store(gradBias, run.constant(columns, 0));
        return;
      }
      const [x, weight, gradient] = [run.value(given.x), run.value(given.weight), run.value(g)];
      const [means, inverse] = [run.value(given.mean), run.value(given.inverseStd)];
      const normalized = (at: string, row: string): string => `(x[${at}] - means[${row}]) * inverse[${row}]`;
      const sums = reduceRows(run, {
        key: 'layerNorm sum',
        rows,
        columns,
        buffers: { weight, gradient },
        element: (at, _, column) => `weight[${column}] * gradient[${at}]`,
      });
      const dots = reduceRows(run, {
        key: 'layerNorm dot',
        rows,
        columns,
        buffers: { x, weight, gradient, means, inverse },
        element: (at, row, column) => `weight[${column}] * gradient[${at}] * (${normalized(at, row)})`,
      });
      const value = overElements(
        'layerNormBackward',
        rows,
        columns,
        { x, weight, gradient, means, inverse, sums, dots },
        // Rounded as the sum that it is compared with was: gpu.js's cpu mode computes in float64.
        (
          at,
          row,
          column,
        ) => `return inverse[${row}] * (Math.fround(weight[${column}] * gradient[${at}]) - sums[${row}] / ${columns}
          - ${normalized(at, row)} * (dots[${row}] / ${columns}));`,
      );
      run.store(gradX, value);
      const weightSums = sumRows(run, {
        key: 'layerNorm weight',
        rows,
        columns,
        buffers: { x, gradient, means, inverse },
        element: (at, row) => `gradient[${at}] * (${normalized(at, row)})`,
      });
      run.store(gradWeight, weightSums);
      const biasSums = sumRows(run, {
        key: 'x',
        rows,
        columns,
        buffers: { x: gradient },
        element: (at) => `x[${at}]`,
      });
      run.store(gradBias, biasSums);
    },

    softmax({ x: xBuffer, out, rows, columns }) {
      if (out.elements === 0) return;
      const x = run.value(xBuffer);
      const largest = reduceRows(run, {
        key: 'x',
        rows,
        columns,
        buffers: { x },
        op: 'max',
        element: (at) => `x[${at}]`,
      });
      const sums = reduceRows(run, {
        key: 'exp above',
        rows,
        columns,
        buffers: { x, largest },
        element: (at, row) => `Math.exp(x[${at}] - largest[${row}])`,
      });
      const value = overElements(
        'softmax',
        rows,
        columns,
        { x, largest, sums },
        (at, row) => `return Math.exp(x[${at}] - largest[${row}]) / sums[${row}];`,
      );
      run.store(out, value);
    },

    softmaxBackward({ y: yBuffer, gradient: g, out, rows, columns }) {
      if (out.elements === 0) return;
      const [y, gradient] = [run.value(yBuffer), run.value(g)];
      const dots = reduceRows(run, {
        key: 'softmax dot',
        rows,
        columns,
        buffers: { y, gradient },
        element: (at) => `y[${at}] * gradient[${at}]`,
      });
      const value = overElements(
        'softmaxBackward',
        rows,
        columns,
        { y, gradient, dots },
        (at, row) => `return y[${at}] * (gradient[${at}] - dots[${row}]);`,
      );
      run.store(out, value);
    },

    logSumExp({ x, out, rows, columns }) {
      if (rows === 0) return;
      if (columns === 0) run.store(out, run.constant(rows, Number.NEGATIVE_INFINITY));
      else run.store(out, rowLogSumExp(run, run.value(x), rows, columns));
    },

    swiGlu({ x, out, rows, width }) {
      if (out.elements === 0) return;
      const value = overElements('swiGlu', rows, width, { x: run.value(x) }, (_, row, column) => {
        const gate = indexOf([column, row], [1, 2 * width]);
        return `const gate = x[${gate}];
          return gate / (1 + Math.exp(-gate)) * x[${gate} + ${width}];`;
      });
      run.store(out, value);
    },

    swiGluBackward({ x, gradient, gradX, rows, width }) {
      if (gradX.elements === 0) return;
      // Columns below `width` hold the gate's gradient, the others that of what it lets through.
      const value = overElements(
        'swiGluBackward',
        rows,
        2 * width,
        { x: run.value(x), gradient: run.value(gradient) },
        (at, row, column) => `if (${column} < ${width}) {
            const gate = x[${at}];
            const sigmoid = 1 / (1 + Math.exp(-gate));
            return gradient[${indexOf([column, row], [1, width])}] * x[${at} + ${width}] * sigmoid * (1 + gate * (1 - sigmoid));
          }
          const opener = x[${at} - ${width}];
          return gradient[${indexOf([column, row], [1, width])} - ${width}] * opener / (1 + Math.exp(-opener));`,
      );
      run.store(gradX, value);
    },

    rope({ x, cos, sin, out, batch, sequence, heads, headDim, offset, interleaved, inverse }) {
      if (out.elements === 0) return;
      const half = headDim / 2;
      const { extents, at } = axes(headDim, heads, sequence, batch);
      const value = run.launch({
        key: `rope ${headDim} ${offset} ${interleaved} ${inverse} ${at.join()} ${heads} ${sequence}`,
        extents,
        buffers: { x: run.value(x), cos: run.value(cos), sin: run.value(sin) },
        body: () => {
          const row = indexOf(at.slice(1), [headDim, headDim * heads, headDim * heads * sequence]);
          const [channel, , position] = [at[0]!, at[1]!, at[2]!];
          // The pair lies half a head apart or side by side, in what is read and in what is written.
          const apart = !interleaved;
          const readApart = apart || inverse;
          const writeApart = apart || !inverse;
          const pair = writeApart
            ? `const second = ${channel} >= ${half} ? 1.0 : 0.0;
               const pair = ${channel} - ${int('second')} * ${half};`
            : `const pair = (${channel} >> 1);
               const second = ${channel} - ${int('pair')} * 2;`;
          const [first, last] = readApart
            ? [`${row} + ${int('pair')}`, `${row} + ${int('pair')} + ${half}`]
            : [`${row} + ${int('pair')} * 2`, `${row} + ${int('pair')} * 2 + 1`];
          const angle = `${indexOf([position], [half], offset * half)} + ${int('pair')}`;
          const sine = inverse ? '-sin' : 'sin';
          return `${pair}
            const c = cos[${angle}];
            const s = ${sine}[${angle}];
            if (second < 0.5) { return x[${first}] * c - x[${last}] * s; }
            return x[${first}] * s + x[${last}] * c;`;
        },
      });
      run.store(out, value);
    },
  };
}
