/** What the kernels are written with: the values of buffers, launches, and storing what they made. */
import type { DeviceBuffer } from '../device.ts';
import { product, split, sumOf } from './axes.ts';
import type { GpuBuffer } from './device.ts';
import type { Launch, ShaderLaunch } from './launch.ts';
import type { Launcher } from './launcher.ts';
import { apply, argumentsOf, type Expression, isSum, type Recipe } from './recipe.ts';
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

/** How expressions read a buffer. */
export interface Reader {
  /** Names what they compute. */
  readonly key: string;
  readonly buffers: Readonly<Record<string, Value>>;
  /** The element at a place, an integer expression. */
  readonly at: (place: string) => string;
}

/** Terms of a sum that is added up where it is read, and the most numbers of it: of more, adding up once costs less. */
const MOST_TERMS = 3;
const MOST_SUMMED = 2 ** 18;

export class Recorder {
  readonly #launcher: Launcher;
  readonly #slotOf: (buffer: DeviceBuffer) => GpuBuffer;

  constructor(launcher: Launcher, slotOf: (buffer: DeviceBuffer) => GpuBuffer) {
    this.#launcher = launcher;
    this.#slotOf = slotOf;
  }

  /**
   * What a buffer holds now. Zeros when it was never written or has no elements, so that kernels have something to
   * bind.
   */
  value(buffer: DeviceBuffer): Value {
    return this.#slotOf(buffer).value ?? this.constant(Math.max(1, buffer.elements), 0);
  }

  /** Whether the buffer was written. */
  isWritten(buffer: DeviceBuffer): boolean {
    return this.#slotOf(buffer).value !== null;
  }

  isInteger(buffer: DeviceBuffer): boolean {
    return this.#slotOf(buffer).integer;
  }

  /** Buffers that one launch can read. */
  get mostBuffers(): number {
    return this.#launcher.backend.mostBuffers;
  }

  /** The most numbers that one value can hold. */
  get largestBlock(): number {
    return this.#launcher.backend.largestBlock;
  }

  /** Whether kernels written in WGSL run; if not, those of gpu.js must do. */
  get runsShaders(): boolean {
    return this.#launcher.backend.runsShaders;
  }

  /** The results, in their order, of a kernel written in WGSL. */
  launchShader(launch: ShaderLaunch): Value[] {
    return this.#launcher.launchShader(launch);
  }

  launch(launch: Launch): Value {
    return this.#launcher.launch(launch);
  }

  /**
   * Several results from one launch, which writes them one after the other into one block. `width` is the same for all;
   * a section whose last thread reaches past its end gives its `elements`.
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

  /** A value of equal numbers. */
  constant(elements: number, value: number): Value {
    return this.#launcher.defer(elements, apply('constant', [], [value], (_, [number]) => number!)!);
  }

  /** How to compute an element of what a buffer holds. */
  recipe(buffer: DeviceBuffer): Recipe {
    return this.#launcher.recipeOf(this.value(buffer));
  }

  /**
   * How expressions of a kernel read a buffer, `name` being what its arguments' names begin with: a short sum is added
   * up where it is read, so that the kernel need not wait for it; who else needs it has it computed beside.
   */
  reader(name: string, buffer: DeviceBuffer): Reader {
    const given = this.recipe(buffer);
    const isShort = isSum(given) && given.inputs.length <= MOST_TERMS && buffer.elements <= MOST_SUMMED;
    const recipe = isShort ? given : this.computed(buffer);
    const { buffers, element } = argumentsOf(recipe, name);
    return { key: recipe.key, buffers, at: (place) => element(place, (expression) => expression) };
  }

  /** As recipe, of what is in memory. */
  computed(buffer: DeviceBuffer): Recipe {
    return this.#launcher.computed(this.value(buffer));
  }

  /**
   * Lets the buffer hold a function of the elements of others, to be computed when it is needed. `places` maps a place
   * of the result to that of an operand, and is named in `key`.
   */
  define(
    out: DeviceBuffer,
    key: string,
    operands: readonly { readonly buffer: DeviceBuffer; readonly placeOf?: (place: string) => string }[],
    expression: Expression,
    { numbers = [], integer = false }: { numbers?: readonly number[]; integer?: boolean } = {},
  ): void {
    const values = operands.map(({ buffer }) => this.value(buffer));
    const build = (recipeOf: (value: Value) => Recipe): Recipe | null => {
      const given = operands.map((operand, i) => ({ ...operand, recipe: recipeOf(values[i]!) }));
      return apply(key, given, numbers, expression);
    };
    const recipe =
      build((value) => this.#launcher.recipeOf(value)) ?? build((value) => this.#launcher.computed(value))!;
    this.store(out, this.#launcher.defer(out.elements, recipe), integer);
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
}
