/**
 * The queue of launches. They are gathered until there are many, the host pauses or waits for something, and then put
 * together (schedule.ts). A launch runs when its kernels are built and nothing waits before it; while a kernel is being
 * built (webgpu builds asynchronously), it and what follows wait in order. Values are freed when their last user is
 * done.
 */
import type { Backend, PartArguments, Program, Source } from './backend.ts';
import { SCALAR_BYTES } from './commands.ts';
import { checkOnHost, limitOf } from './index-checks.ts';
import { type Launch, readsFromStart, type ShaderLaunch, startOf } from './launch.ts';
import { argumentsOf, declarations, inMemory, type Recipe } from './recipe.ts';
import { bindingsOf, MOST_GATHERED, type Planned, schedule } from './schedule.ts';
import { Value } from './value.ts';

/** A launch or read that waits for the kernels before it. */
interface Waiting {
  /** Resolves when it may run; null when it may run now. */
  readonly building: () => Promise<void> | null;
  readonly run: () => void;
  readonly fail: (error: Error) => void;
}

/** No i32 tensor of this device holds it. */
const NO_INDEX = -(2 ** 31);

export class Launcher {
  readonly backend: Backend<unknown>;
  #launches = 0;
  /** Bytes in blocks that exist now, and the most that ever did. */
  #residentBytes = 0;
  #peakResidentBytes = 0;
  readonly #sources = new Map<string, Source>();
  readonly #programs = new Map<string, Program<unknown>>();
  /** What will be put together. */
  #gathered: Planned[] = [];
  #scheduled = false;
  readonly #queue: Waiting[] = [];
  #draining = false;
  #failure: Error | null = null;
  /** Values made since the kernel of the list began; it gives them up when it ends. */
  #frame: Value[] = [];

  constructor(backend: Backend<unknown>) {
    this.backend = backend;
  }

  /** Launches so far, kernels compiled for them, bytes in blocks that exist now, and the most that ever did. */
  get statistics(): { launches: number; programs: number; bytes: number; peakBytes: number } {
    this.#put();
    return {
      launches: this.#launches,
      programs: this.#programs.size,
      bytes: this.#residentBytes,
      peakBytes: this.#peakResidentBytes,
    };
  }

  /** Runs a kernel of the list: the values that it makes and does not store are freed when it ends. */
  frame(body: () => void): void {
    this.#check();
    const outer = this.#frame;
    this.#frame = [];
    try {
      body();
    } finally {
      for (const value of this.#frame) this.release(value);
      this.#frame = outer;
    }
  }

  launch({ key, extents, buffers, integers = {}, numbers = {}, indices = {}, width = 1, body }: Launch): Value {
    const { backend } = this;
    const { checks } = backend;
    const values = Object.values(buffers);
    for (const value of values) this.#compute(value);
    if (values.length > backend.mostBuffers) {
      throw new Error(`gpu device: kernel ${key} takes ${values.length} buffers; at most ${backend.mostBuffers} fit`);
    }
    const checked = Object.entries(indices);
    // Kernels check where the host cannot see.
    const inKernel = backend.peek === undefined ? checked : [];
    const bufferNames = Object.keys(buffers);
    const integerNames = [...bufferNames.map(startOf), ...Object.keys(integers)];
    for (const [name] of inKernel) integerNames.push(`${name}Limit`, `${name}Ignored`, `${name}Check`);
    const numberNames = Object.keys(numbers);
    const name = `${key}/${extents.length}/${integerNames.join()}/${numberNames.join()}`;
    const source = this.#source(name, (number) => ({
      kind: 'kernel',
      number,
      buffers: bufferNames,
      integers: integerNames,
      numbers: numberNames,
      body: readsFromStart(body(), bufferNames),
      width,
      extents,
      indices: inKernel.map(([buffer]) => buffer),
    }));
    const integersGiven = [...values.map(({ offset }) => offset), ...Object.values(integers)];
    for (const [, check] of inKernel) {
      integersGiven.push(limitOf(check), check.ignored ?? NO_INDEX, checks.numberOf(check));
    }
    const sizes = [extents.reduce((a, b) => a * b, width)];
    const given = { integers: integersGiven, numbers: Object.values(numbers), extents, sizes };
    const [out] = this.#plan(source, values, given, () => {
      for (const [buffer, check] of checked) {
        const { whole, offset, elements } = buffers[buffer]!;
        const seen = backend.peek?.(whole.block, offset, elements);
        if (seen !== undefined) checkOnHost(checks, check, seen);
      }
    });
    return out!;
  }

  /** A launch of a kernel written in WGSL, where the backend runs those; its results in their order. */
  launchShader({
    key,
    buffers,
    integers = {},
    numbers = {},
    results,
    workgroups,
    code,
    ...rest
  }: ShaderLaunch): Value[] {
    const values = Object.values(buffers);
    for (const value of values) this.#compute(value);
    const source = this.#source(key, (number) => {
      const bufferNames = Object.keys(buffers);
      return {
        kind: 'shader',
        number,
        buffers: bufferNames,
        integers: [...bufferNames.map(startOf), ...Object.keys(integers)],
        numbers: Object.keys(numbers),
        results: Object.keys(results),
        ...rest,
        ...code(),
      };
    });
    return this.#plan(source, values, {
      integers: [...values.map(({ offset }) => offset), ...Object.values(integers)],
      numbers: Object.values(numbers),
      extents: workgroups,
      sizes: Object.values(results),
    });
  }

  #source(name: string, make: (number: number) => Source): Source {
    let source = this.#sources.get(name);
    if (source === undefined) {
      source = make(this.#sources.size);
      this.#sources.set(name, source);
    }
    return source;
  }

  /** Takes a launch among those that are gathered; gives what it makes. */
  #plan(source: Source, values: readonly Value[], given: PartArguments, check = (): void => {}): Value[] {
    const reads = values.map(({ whole }) => whole);
    for (const value of reads) value.users++;
    const made = given.sizes.map((elements) => new Value(elements));
    for (const value of made) this.#own(value).users++;
    this.#gathered.push({ source, reads, made, given, check });
    if (this.#gathered.length >= MOST_GATHERED) this.#put();
    if (!this.#scheduled) {
      this.#scheduled = true;
      queueMicrotask(() => {
        this.#scheduled = false;
        this.#put();
      });
    }
    return made;
  }

  /** Queues what was gathered. */
  #put(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    const limits = { buffers: this.backend.mostBound, scalars: SCALAR_BYTES / 4 };
    for (const group of schedule(gathered, limits)) this.#record(group);
  }

  /** Queues launches that run together. */
  #record(group: readonly Planned[]): void {
    this.#launches++;
    const { bound, places } = bindingsOf(group);
    const name = group.map(({ source }, i) => `${source.number}:${places[i]!.join()}`).join(' ');
    let program = this.#programs.get(name);
    if (program === undefined) {
      try {
        program = this.backend.compile(group.map(({ source }, i) => ({ source, buffers: places[i]! })));
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#programs.set(name, program);
    }
    const ready = program;
    const given = group.map((planned) => planned.given);
    this.#enqueue({
      building: () => ready.building,
      run: () => {
        for (const { check } of group) check();
        const blocks = ready.run(
          bound.map(({ block }) => block),
          given,
        );
        const made = group.flatMap((planned) => planned.made);
        for (const [i, value] of made.entries()) this.#fill(value, blocks[i]);
        for (const value of group.flatMap(({ reads }) => reads)) this.release(value);
        for (const value of made) this.release(value);
      },
      fail: () => {},
    });
  }

  /** A part of a value, as a value of its own; it keeps the whole block alive. */
  part(value: Value, start: number, elements: number): Value {
    if (start === 0 && elements === value.elements) return value;
    this.#compute(value);
    const { whole, offset } = value;
    whole.users++;
    return this.#own(new Value(elements, { whole, offset: offset + start }));
  }

  /** A value with numbers from the host. */
  upload(data: Float32Array): Value {
    this.#check();
    const value = this.#own(new Value(data.length));
    this.#fill(value, this.backend.upload(data));
    return value;
  }

  /** A value that is computed when a launch or read needs it in memory. */
  defer(elements: number, recipe: Recipe): Value {
    for (const input of recipe.inputs) input.users++;
    return this.#own(new Value(elements, { recipe }));
  }

  /** How to compute an element of a value; of one in memory: by reading it. */
  recipeOf(value: Value): Recipe {
    return value.recipe ?? inMemory(value);
  }

  /** As recipeOf, of the value in memory. */
  computed(value: Value): Recipe {
    this.#compute(value);
    return inMemory(value);
  }

  /** The numbers of a value, once what makes it has run. */
  async read(value: Value): Promise<Float32Array<ArrayBuffer>> {
    this.frame(() => this.#compute(value));
    const { whole, offset, elements } = value;
    whole.users++;
    try {
      return await this.#after(() => this.backend.read(whole.block, offset, elements));
    } finally {
      this.release(whole);
    }
  }

  /** Resolves when all launches so far have run. */
  async finish(): Promise<void> {
    await this.#after(() => this.backend.finish());
  }

  /** Refuses everything from now on. */
  close(error: Error): void {
    this.#failure ??= error;
    for (const { fail } of this.#queue.splice(0)) fail(this.#failure);
  }

  release(value: Value): void {
    if (--value.users > 0) return;
    if (value.recipe !== null) {
      for (const input of value.recipe.inputs) this.release(input);
      return;
    }
    if (value.whole !== value) this.release(value.whole);
    if (value.block === null) return;
    this.backend.release(value.block);
    value.block = null;
    this.#residentBytes -= 4 * value.elements;
  }

  /** Brings a value into memory: it becomes the whole of what a launch makes. */
  #compute(value: Value): void {
    const { recipe, elements } = value;
    if (recipe === null) return;
    const { buffers, numbers, element } = argumentsOf(recipe);
    const made = this.launch({
      key: `elementwise ${recipe.key}`,
      extents: [elements],
      buffers,
      numbers,
      body: () => {
        const { lines, declare } = declarations('t');
        const result = element('this.thread.x', declare);
        return `${lines.join('\n')}\nreturn ${result};`;
      },
    });
    made.users++;
    value.whole = made;
    value.recipe = null;
    for (const input of recipe.inputs) this.release(input);
  }

  /** What `work` gives once everything recorded so far has been launched. */
  async #after<T>(work: () => Promise<T>): Promise<T> {
    this.#put();
    this.#check();
    const result = await new Promise<T>((resolve, reject) => {
      this.#enqueue({
        building: () => null,
        run: () => {
          work().then(resolve, reject);
        },
        fail: reject,
      });
    });
    this.#check();
    return result;
  }

  #enqueue(entry: Waiting): void {
    this.#queue.push(entry);
    if (!this.#draining) this.#drain();
  }

  #drain(): void {
    this.#draining = true;
    try {
      for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
        const building = next.building();
        if (building !== null) {
          building.then(
            () => this.#drain(),
            (error: unknown) => this.#fail(error),
          );
          return;
        }
        this.#queue.shift();
        next.run();
      }
      this.#draining = false;
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#draining = false;
    this.close(error instanceof Error ? error : new Error(String(error)));
  }

  #check(): void {
    const error = this.#failure ?? this.backend.failure;
    if (error !== null) throw error;
  }

  #own(value: Value): Value {
    this.#frame.push(value);
    return value;
  }

  #fill(value: Value, block: unknown): void {
    value.block = block;
    this.#residentBytes += 4 * value.elements;
    this.#peakResidentBytes = Math.max(this.#peakResidentBytes, this.#residentBytes);
  }
}
