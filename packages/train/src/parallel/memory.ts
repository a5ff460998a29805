/** Memory that a step's messages are received and added up in, kept for those of later steps, which are as long. */
import { type Device, HostNumbers } from '@lpr/tensor';

export class StepMemory {
  readonly #device: Device;
  readonly #free = new Map<number, Float32Array[]>();
  readonly #kept = new Map<number | string, HostNumbers>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** Of the host, of some length; its content is undefined. */
  take(length: number): Float32Array {
    return this.#free.get(length)?.pop() ?? new Float32Array(length);
  }

  /** Takes back what is not read any more. */
  give(buffer: Float32Array): void {
    const free = this.#free.get(buffer.length);
    if (free === undefined) this.#free.set(buffer.length, [buffer]);
    else free.push(buffer);
  }

  /** Of the device, the same for the same name in every step; its content is undefined (see `HostNumbers`). */
  kept(name: number | string, length: number): HostNumbers {
    const known = this.#kept.get(name);
    if (known?.numbers.length === length) return known;
    known?.dispose();
    const made = new HostNumbers(this.#device, length);
    this.#kept.set(name, made);
    return made;
  }
}

const memories = new WeakMap<Device, StepMemory>();

/** That of a device. */
export function stepMemoryOf(device: Device): StepMemory {
  const known = memories.get(device) ?? new StepMemory(device);
  memories.set(device, known);
  return known;
}
