/** Tensors of random numbers, each named by its key. */
import type { Device } from '../devices/device.ts';
import type { RandomKey } from '../random.ts';
import { checkShape, type Shape } from '../shape.ts';
import { Tensor } from '../tensor.ts';

/** f32 numbers in [0, 1), multiples of 2^-24. */
export function randomUniform(device: Device, shape: Shape, key: RandomKey): Tensor {
  checkShape('randomUniform', shape);
  return random('uniform', device, shape, key);
}

/** f32 numbers of the standard normal distribution, times `scale`. */
export function randomNormal(device: Device, shape: Shape, key: RandomKey, scale = 1): Tensor {
  checkShape('randomNormal', shape);
  const out = random('normal', device, shape, key);
  if (scale !== 1) device.kernels.affine({ x: out.buffer, out: out.buffer, scale, shift: 0, count: out.size });
  return out;
}

function random(distribution: 'uniform' | 'normal', device: Device, shape: Shape, key: RandomKey): Tensor {
  const out = new Tensor(device, shape);
  device.kernels.random({ out: out.buffer, distribution, count: out.size, keyLow: key.low, keyHigh: key.high });
  return out;
}
