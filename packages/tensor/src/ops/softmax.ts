/** Softmax over the last axis, and its logarithms. */
import { record } from '../autograd.ts';
import { scope } from '../scope.ts';
import { Tensor } from '../tensor.ts';
import { exp, multiply, subtract } from './elementwise.ts';
import { reshape } from './movement.ts';
import { max, sum } from './reduce.ts';
import { rowsOf } from './rows.ts';

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
