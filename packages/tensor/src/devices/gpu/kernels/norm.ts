/** RMSNorm and layer norm. */
import type { NormKernels } from '../../kernels/norm.ts';
import type { Recorder } from '../recorder.ts';
import { columnSumsOf, type Element, overRows, rowNumber } from './over-rows.ts';
import { launchRows, overColumns, read, rowSum, setRow, takesRows } from './row-shader.ts';

export function normKernels(run: Recorder): NormKernels {
  return {
    rmsNorm({ x: xBuffer, weight, out, inverseRms, rows, columns, epsilon }) {
      if (rows === 0) return;
      if (takesRows(run, columns)) {
        const at = read('x', 'at');
        const [made, inverses] = launchRows(run, {
          ...{ key: 'rmsNorm', rows, columns, numbers: { epsilon } },
          buffers: { x: run.value(xBuffer), weight: run.value(weight) },
          results: { out: 'element', inverses: 'row' },
          body: `${rowSum('squares', `${at} * ${at}`)}
            let inverse = 1.0 / sqrt(squares / f32(params.columns) + params.epsilon);
            ${setRow('inverses', 'inverse')}
            ${overColumns(`out[at] = ${read('weight', 'column')} * ${at} * inverse;`)}`,
        });
        run.store(out, made!);
        run.store(inverseRms, inverses!);
        return;
      }
      const x = run.reader('x', xBuffer);
      const shape = { rows, columns, numbers: { epsilon } };
      const inverse = rowNumber(run, {
        ...shape,
        name: 'inverse',
        key: `squares of ${x.key}`,
        buffers: x.buffers,
        element: (at) => `${x.at(at)} * ${x.at(at)}`,
        finish: `1 / Math.sqrt(total / ${columns} + epsilon)`,
      });
      if (columns === 0) {
        run.store(inverseRms, inverse.value!);
        return;
      }
      const { elements, rowNumbers } = overRows(
        run,
        {
          ...shape,
          key: `rmsNorm of ${x.key}`,
          buffers: { ...x.buffers, weight: run.value(weight) },
          rowNumbers: [inverse],
          element: (at, row, column) => `weight[${column}] * ${x.at(at)} * ${inverse.of(row)}`,
        },
        true,
      );
      run.store(inverseRms, rowNumbers[0]!);
      run.store(out, elements);
    },

    rmsNormBackward({ x: xBuffer, weight: weightBuffer, inverseRms, gradient: g, gradX, gradWeight, rows, columns }) {
      if (columns === 0) return;
      if (rows === 0) {
        run.store(gradWeight, run.constant(columns, 0));
        return;
      }
      const [x, weight] = [run.value(xBuffer), run.value(weightBuffer)];
      if (takesRows(run, columns)) {
        const buffers = { x, weight, inverse: run.value(inverseRms), gradient: run.value(g) };
        const [element, given] = [read('x', 'at'), `${read('weight', 'column')} * ${read('gradient', 'at')}`];
        const [made] = launchRows(run, {
          ...{ key: 'rmsNormBackward', rows, columns, buffers },
          results: { out: 'element' },
          body: `let scale = ${read('inverse', 'row')};
            ${rowSum('dot', `${given} * ${element}`)}
            let share = scale * scale * dot / f32(params.columns);
            ${overColumns(`out[at] = scale * (${given} - ${element} * share);`)}`,
        });
        run.store(gradX, made!);
        const [sums] = columnSumsOf(run, {
          ...{ key: 'rmsNorm weights', rows, columns, buffers },
          columnSums: [(at, row) => `gradient[${at}] * x[${at}] * inverse[${row}]`],
        });
        run.store(gradWeight, sums!);
        return;
      }
      const gradient = run.reader('gradient', g);
      const shape = { rows, columns, buffers: { x, weight, ...gradient.buffers } };
      const dot = rowNumber(run, {
        ...shape,
        name: 'dot',
        key: `rmsNorm dot of ${gradient.key}`,
        element: (at, _, column) => `weight[${column}] * ${gradient.at(at)} * x[${at}]`,
      });
      const { elements, columnSums } = overRows(run, {
        ...shape,
        key: `rmsNormBackward of ${gradient.key}`,
        buffers: { ...shape.buffers, inverse: run.value(inverseRms) },
        rowNumbers: [dot],
        element: (at, row, column) =>
          `inverse[${row}] * (weight[${column}] * ${gradient.at(at)}
            - x[${at}] * (inverse[${row}] * inverse[${row}] * ${dot.of(row)} / ${columns}))`,
        columnSums: [(at, row) => `${gradient.at(at)} * x[${at}] * inverse[${row}]`],
      });
      run.store(gradX, elements);
      run.store(gradWeight, columnSums[0]!);
    },

    layerNorm({ x: xBuffer, weight, bias, out, mean: meanBuffer, inverseStd, rows, columns, epsilon }) {
      if (rows === 0) return;
      const x = run.value(xBuffer);
      const shape = { rows, columns, numbers: { epsilon } };
      const mean = rowNumber(run, {
        ...shape,
        name: 'mean',
        key: 'x',
        buffers: { x },
        element: (at) => `x[${at}]`,
        finish: `total / ${columns}`,
      });
      const inverse = rowNumber(run, {
        ...shape,
        name: 'inverse',
        key: 'squares around',
        buffers: { x, ...mean.buffers },
        element: (at, row) => `(x[${at}] - ${mean.of(row)}) * (x[${at}] - ${mean.of(row)})`,
        finish: `1 / Math.sqrt(total / ${columns} + epsilon)`,
      });
      if (columns === 0) {
        run.store(meanBuffer, mean.value!);
        run.store(inverseStd, inverse.value!);
        return;
      }
      const { elements, rowNumbers } = overRows(
        run,
        {
          ...shape,
          key: 'layerNorm',
          buffers: { x, weight: run.value(weight), bias: run.value(bias) },
          rowNumbers: [mean, inverse],
          element: (at, row, column) =>
            `weight[${column}] * ((x[${at}] - ${mean.of(row)}) * ${inverse.of(row)}) + bias[${column}]`,
        },
        true,
      );
      run.store(meanBuffer, rowNumbers[0]!);
      run.store(inverseStd, rowNumbers[1]!);
      run.store(out, elements);
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
      const shape = { rows, columns, buffers: { x, weight, gradient, means, inverse } };
      const normalized: Element = (at, row) => `(x[${at}] - means[${row}]) * inverse[${row}]`;
      const sum = rowNumber(run, {
        ...shape,
        name: 'sum',
        key: 'layerNorm sum',
        element: (at, _, column) => `weight[${column}] * gradient[${at}]`,
      });
      const dot = rowNumber(run, {
        ...shape,
        name: 'dot',
        key: 'layerNorm dot',
        element: (at, row, column) => `weight[${column}] * gradient[${at}] * (${normalized(at, row, column)})`,
      });
      const { elements, columnSums } = overRows(run, {
        ...shape,
        key: 'layerNormBackward',
        rowNumbers: [sum, dot],
        // Rounded as the sum that it is compared with was: gpu.js's cpu mode computes in float64.
        element: (at, row, column) => `inverse[${row}] * (Math.fround(weight[${column}] * gradient[${at}])
            - Math.fround(${sum.of(row)}) / ${columns} - ${normalized(at, row, column)} * (${dot.of(row)} / ${columns}))`,
        columnSums: [
          (at, row, column) => `gradient[${at}] * (${normalized(at, row, column)})`,
          (at) => `gradient[${at}]`,
        ],
      });
      run.store(gradX, elements);
      run.store(gradWeight, columnSums[0]!);
      run.store(gradBias, columnSums[1]!);
    },
  };
}
