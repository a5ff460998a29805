/** Numbers of tensors as messages send and receive them: in the device's own memory where it can be reached. */
import { assign } from './creation.ts';
import type { Tensor } from './tensor.ts';

/** The numbers of an f32 tensor that nothing changes meanwhile, once the device has computed them. */
export async function hostNumbers(x: Tensor): Promise<Float32Array> {
  const { device } = x;
  const own = device.view(x.buffer);
  if (own === null) return await x.dataF32();
  await device.synchronize();
  return own;
}

/** Has `receive` overwrite the numbers of an f32 tensor. */
export async function receiveInto(x: Tensor, receive: (numbers: Float32Array) => Promise<void>): Promise<void> {
  const { device } = x;
  const own = device.view(x.buffer);
  // Kernels that were recorded before may still use its memory, for what had it then.
  if (own !== null) await device.synchronize();
  const numbers = own ?? new Float32Array(x.size);
  await receive(numbers);
  if (own === null) assign(x, numbers);
  else x.markChanged();
}
