/** Normalisations over the last axis: RMSNorm, LayerNorm, softmax and its relatives. */
import { record } from '../autograd.ts';
import { scope } from '../scope.ts';
import { formatShape, type Shape, sizeOf } from '../shape.ts';
import { checkDType, deviceOf, Tensor } from '../tensor.ts';
import { exp, multiply, subtract } from './elementwise.ts';
import { reshape } from './movement.ts';
import { max, sum } from './reduce.ts';

/** `weight * x / sqrt(mean(x^2) + epsilon)` over the last axis (Zhang and Sennrich 2019); weight has its extent. */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon = 1e-6): Tensor {
  const { rows, columns } = rowsOf('rmsNorm', x);
  checkVector('rmsNorm', 'weight', weight, columns);
  const device = deviceOf('rmsNorm', x, weight);
  const out = new Tensor(device, x.shape);
  const inverseRms = new Tensor(device, [rows]);
  device.kernels.rmsNorm({
    x: x.buffer,
    weight: weight.buffer,
    out: out.buffer,
    inverseRms: inverseRms.buffer,
    rows,
    columns,
    epsilon,
  });
  return record(
    'rmsNorm',
    out,
    [x, weight],
    [x, weight, inverseRms],
    (gradient, [savedX, savedWeight, savedInverse]) => {
      const gradX = new Tensor(device, x.shape);
      const gradWeight = new Tensor(device, weight.shape);
      device.kernels.rmsNormBackward({
        x: savedX!.buffer,
        weight: savedWeight!.buffer,
        inverseRms: savedInverse!.buffer,
        gradient: gradient.buffer,
        gradX: gradX.buffer,
        gradWeight: gradWeight.buffer,
        rows,
        columns,
      });
      return [gradX, gradWeight];
    },
  );
}

/** `weight * (x - mean) / sqrt(variance + epsilon) + bias` over the last axis (Ba et al. 2016), variance with 1/n. */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, epsilon = 1e-5): Tensor {
  const { rows, columns } = rowsOf('layerNorm', x);
  checkVector('layerNorm', 'weight', weight, columns);
  checkVector('layerNorm', 'bias', bias, columns);
  const device = deviceOf('layerNorm', x, weight, bias);
  const out = new Tensor(device, x.shape);
  const mean = new Tensor(device, [rows]);
  const inverseStd = new Tensor(device, [rows]);
  device.kernels.layerNorm({
    x: x.buffer,
    weight: weight.buffer,
    bias: bias.buffer,
    out: out.buffer,
    mean: mean.buffer,
    inverseStd: inverseStd.buffer,
    rows,
    columns,
    epsilon,
  });
  return record(
    'layerNorm',
    out,
    [x, weight, bias],
    [x, weight, mean, inverseStd],
    (gradient, [savedX, savedWeight, savedMean, savedInverse]) => {
      const gradX = new Tensor(device, x.shape);
      const gradWeight = new Tensor(device, weight.shape);
      const gradBias = new Tensor(device, bias.shape);
      device.kernels.layerNormBackward({
        x: savedX!.buffer,
        weight: savedWeight!.buffer,
        mean: savedMean!.buffer,
        inverseStd: savedInverse!.buffer,
        gradient: gradient.buffer,
        gradX: gradX.buffer,
        gradWeight: gradWeight.buffer,
        gradBias: gradBias.buffer,
        rows,
        columns,
      });
      return [gradX, gradWeight, gradBias];
    },
  );
}

/** `exp(x) / sum(exp(x))` over the last axis. */
export function softmax(x: Tensor): Tensor {
  const { rows, columns } = rowsOf('softmax', x);
  const out = new Tensor(x.device, x.shape);
  x.device.kernels.softmax({ x: x.buffer, out: out.buffer, rows, columns });
  return record('softmax', out, [x], [out], (gradient, [y]) => {
    const gradX = new Tensor(x.device, x.shape);
    x.device.kernels.softmaxBackward({
      y: y!.buffer,
      gradient: gradient.buffer,
      out: gradX.buffer,
      rows,
      columns,
    });
    return [gradX];
  });
}

/** `log(sum(exp(x)))` over the last axis, which is dropped. */
export function logSumExp(x: Tensor): Tensor {
  const { rows, columns } = rowsOf('logSumExp', x);
  const out = new Tensor(x.device, x.shape.slice(0, -1));
  x.device.kernels.logSumExp({ x: x.buffer, out: out.buffer, rows, columns });
  return record('logSumExp', out, [x], [x], (gradient, [savedX]) => [
    multiply(softmax(savedX!), reshape(gradient, [...gradient.shape, 1])),
  ]);
}

/** `x - logSumExp(x)` over the last axis; NaN in rows without a finite largest element. */
export function logSoftmax(x: Tensor): Tensor {
  rowsOf('logSoftmax', x);
  const { device } = x;
  const out = scope(
    device,
    () => {
      // Shifted first: next to a large logit, the logarithm would lose its digits.
      const shifted = subtract(x, max(x, -1, { keepAxis: true }));
      return subtract(shifted, reshape(logSumExp(shifted), [...x.shape.slice(0, -1), 1]));
    },
    { gradients: false },
  );
  return record('logSoftmax', out, [x], [out], (gradient, [y]) => [
    subtract(gradient, multiply(exp(y!), sum(gradient, -1, { keepAxis: true }))),
  ]);
}

/** Splits a shape into rows and the last axis. Throws for scalars. */
export function rowsOf(op: string, x: Tensor): { rows: number; columns: number } {
  checkDType(op, 'x', x, 'f32');
  if (x.shape.length === 0) throw new RangeError(`${op}: works along the last axis, got a scalar`);
  return { rows: sizeOf(x.shape.slice(0, -1)), columns: x.shape.at(-1)! };
}

function checkVector(op: string, name: string, x: Tensor, length: number): void {
  const expected: Shape = [length];
  checkDType(op, name, x, 'f32');
  if (x.shape.length !== 1 || x.shape[0] !== length) {
    throw new RangeError(`${op}: ${name} must have shape ${formatShape(expected)}, got ${formatShape(x.shape)}`);
  }
}
