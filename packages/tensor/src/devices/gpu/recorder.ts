/** What the kernels are written with: the values of buffers, launches, and storing what they made. */
import type { DeviceBuffer } from '../device.ts';
import { axes, product, split, sumOf } from './axes.ts';
import type { GpuBuffer } from './device.ts';
import type { Launch, Launcher } from './launcher.ts';
import type { Value } from './value.ts';

/** One of the results of a launch that makes several. */
export interface Section {
  /** Threads along each axis, innermost first. */
  readonly sizes: readonly number[];
  /** The body of its threads, from the integer expressions of a thread's place; must return on every path. */
  readonly body: (at: readonly string[]) => string;
  /** How many of the numbers count; all by default. */
  readonly elements?: number;
}

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

  /**
   * Several results from one launch, which writes them one after the other into one block. `width` is the same for all; a section
   * whose last thread reaches past its end gives its `elements`.
   */
  launchSections({
    sections,
    ...launch
  }: Omit<Launch, 'extents' | 'body'> & { sections: readonly Section[] }): Value[] {
    const threads = sections.map(({ sizes }) => product(sizes));
    const all = sumOf(threads);
    const made = this.launch({
      ...launch,
      key: `${launch.key} ${sections.map(({ sizes }) => sizes.join()).join(';')}`,
      extents: [all],
      body: () => {
        let start = 0;
        return sections
          .map(({ sizes, body }, i) => {
            const text = body(split(start === 0 ? 'this.thread.x' : `(this.thread.x - ${start})`, sizes));
            start += threads[i]!;
            return i === sections.length - 1 ? text : `if (this.thread.x < ${start}) { ${text} }`;
          })
          .join('\n');
      },
    });
    let start = 0;
    return sections.map(({ elements }, i) => {
      const length = threads[i]! * (launch.width ?? 1);
      const part = this.part(made, start, elements ?? length);
      start += length;
      return part;
    });
  }

  /** A part of a value, for nothing. */
  part(value: Value, start: number, elements: number): Value {
    return this.#launcher.part(value, start, elements);
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
