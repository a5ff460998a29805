/** Numbers of tensors as messages send and receive them: in the device's own memory where it can be reached. */
import { assign } from './creation.ts';
import type { Device } from './devices/device.ts';
import { Tensor } from './tensor.ts';

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

/**
 * Numbers that the host works on while the device computes, and hands to it as a tensor: in the device's own memory
 * where it can be reached. They live until they are disposed.
 */
export class HostNumbers {
  /**
   * Undefined at first. Kernels that were recorded before may still use their memory, for what had it then: to be
   * written after a `synchronize` of the device.
   */
  readonly numbers: Float32Array;
  readonly #tensor: Tensor;
  readonly #isShared: boolean;

  constructor(device: Device, length: number) {
    this.#tensor = new Tensor(device, [length], 'f32', { persistent: true });
    const own = device.view(this.#tensor.buffer);
    this.#isShared = own !== null;
    this.numbers = own ?? new Float32Array(length);
  }

  /** Sets numbers `begin .. end` to the sum of terms, in their order, each sum rounded to f32 as the device does it. */
  setSum(begin: number, end: number, terms: readonly Float32Array[]): void {
    const out = this.numbers.subarray(begin, end);
    const { device } = this.#tensor;
    if (device.addOnHost !== undefined) {
      device.addOnHost(out, terms);
      return;
    }
    terms.forEach((term, place) => {
      if (place === 0) out.set(term);
      else for (let i = 0; i < out.length; i++) out[i]! += term[i]!;
    });
  }

  /** The numbers as they are, for kernels that are recorded next; nothing may write them until those have run. */
  asTensor(): Tensor {
    if (this.#isShared) this.#tensor.markChanged();
    else assign(this.#tensor, this.numbers);
    return this.#tensor;
  }

  /** Gives their memory back. */
  dispose(): void {
    this.#tensor.dispose();
  }
}
