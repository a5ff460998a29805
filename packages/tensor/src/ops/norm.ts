/** Norms over the last axis: RMSNorm and LayerNorm. */
import { record } from '../autograd.ts';
import { formatShape, type Shape } from '../shape.ts';
import { checkDType, deviceOf, Tensor } from '../tensor.ts';
import { rowsOf } from './rows.ts';

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

function checkVector(op: string, name: string, x: Tensor, length: number): void {
  const expected: Shape = [length];
  checkDType(op, name, x, 'f32');
  if (x.shape.length !== 1 || x.shape[0] !== length) {
    throw new RangeError(`${op}: ${name} must have shape ${formatShape(expected)}, got ${formatShape(x.shape)}`);
  }
}
