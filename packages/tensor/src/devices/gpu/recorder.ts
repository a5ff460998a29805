/** What the kernels are written with: the values of buffers, launches, and storing what they made. */
import type { DeviceBuffer } from '../device.ts';
import { axes } from './axes.ts';
import type { GpuBuffer } from './device.ts';
import type { Launch, Launcher } from './launcher.ts';
import type { Value } from './value.ts';

export class Recorder {
  readonly #launcher: Launcher;
  readonly #slotOf: (buffer: DeviceBuffer) => GpuBuffer;

  constructor(launcher: Launcher, slotOf: (buffer: DeviceBuffer) => GpuBuffer) {
    this.#launcher = launcher;
    this.#slotOf = slotOf;
  }

  /** What a buffer holds now. Zeros when it was never written or has no elements, so that kernels have something to bind. */
  value(buffer: DeviceBuffer): Value {
    return this.#slotOf(buffer).value ?? this.#launcher.constant(Math.max(1, buffer.elements), 0);
  }

  /** Whether the buffer was written. */
  isWritten(buffer: DeviceBuffer): boolean {
    return this.#slotOf(buffer).value !== null;
  }

  isInteger(buffer: DeviceBuffer): boolean {
    return this.#slotOf(buffer).integer;
  }

  /** The most numbers that one value can hold. */
  get largestBlock(): number {
    return this.#launcher.backend.largestBlock;
  }

  launch(launch: Launch): Value {
    return this.#launcher.launch(launch);
  }

  upload(data: Float32Array): Value {
    return this.#launcher.upload(data);
  }

  constant(elements: number, value: number): Value {
    return this.#launcher.constant(elements, value);
  }

  /** Lets the buffer hold the value from now on. */
  store(buffer: DeviceBuffer, value: Value, integer = false): void {
    const slot = this.#slotOf(buffer);
    if (value.elements !== slot.elements) {
      throw new Error(`gpu device: a kernel made ${value.elements} elements for a buffer of ${slot.elements}`);
    }
    value.users++;
    if (slot.value !== null) this.#launcher.release(slot.value);
    slot.value = value;
    slot.integer = integer;
  }

  /** A launch over a whole buffer, one thread an element, stored in it. */
  map(out: DeviceBuffer, launch: Omit<Launch, 'extents'>, integer = false): void {
    const { extents } = axes(out.elements);
    this.store(out, this.#launcher.launch({ ...launch, extents }), integer);
  }
}
