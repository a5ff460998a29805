/**
 * What the device needs from one of gpu.js's modes: kernels compiled from source, blocks of numbers that they read and
 * make, and a way to and from the host. A block is immutable: every launch makes a new one.
 */
import type { GpuJsKernel } from './gpujs.ts';
import type { IndexChecks } from './index-checks.ts';

/** The modes of gpu.js that a device can run on. */
export type GpuMode = 'webgpu' | 'cpu';

/** A gpu.js kernel, written in its subset of JavaScript. */
export interface KernelSource {
  readonly kind: 'kernel';
  /** Another for each source of a device. */
  readonly number: number;
  /** Names of the arguments in their order: buffers, then whole numbers, then numbers. */
  readonly buffers: readonly string[];
  readonly integers: readonly string[];
  readonly numbers: readonly string[];
  readonly body: string;
  /** Numbers that a thread returns: 1, or 4 that lie side by side in the result. */
  readonly width: 1 | 4;
  /** Extents of the first launch; later ones may differ but in their number. */
  readonly extents: readonly number[];
  /**
   * Buffers whose numbers are indices to be checked when they are read; for each there are the integers `nameLimit`
   * (the least index that is too large), `nameIgnored` (one that is well all the same) and `nameCheck` (its number in
   * IndexChecks).
   */
  readonly indices: readonly string[];
}

/** What a kernel written in WGSL says. */
export interface ShaderCode {
  /** Threads of a workgroup along x and y. */
  readonly threads: readonly [number, number];
  /** Types of its variables in workgroup memory, by their names. */
  readonly memory?: Readonly<Record<string, string>>;
  /** Functions that it calls. */
  readonly functions?: string;
  /** Its statements: they find the place of the workgroup and of the thread in it as `group` and `local`. */
  readonly body: string;
}

/** A kernel written in WGSL, for backends that run it. */
export interface ShaderSource extends ShaderCode {
  readonly kind: 'shader';
  readonly number: number;
  /** Names of what it reads (`array<f32>`), of its scalars (`params.name`) and of what it writes (`array<f32>`). */
  readonly buffers: readonly string[];
  readonly integers: readonly string[];
  readonly numbers: readonly string[];
  readonly results: readonly string[];
  /** Whether buffers and results are of four numbers each, `array<vec4<f32>>`, but for those named here. */
  readonly vectorsBut?: readonly string[];
}

export type Source = KernelSource | ShaderSource;

/** Whether a source has a buffer, or result, as vectors of four numbers. */
export function hasVectors(source: Source, name: string): boolean {
  return source.kind === 'shader' && source.vectorsBut !== undefined && !source.vectorsBut.includes(name);
}

/** A kernel among those of a launch, and which of the launch's buffers its own are. */
export interface LaunchPart {
  readonly source: Source;
  readonly buffers: readonly number[];
}

/** What a part of a launch runs with. */
export interface PartArguments {
  readonly integers: readonly number[];
  readonly numbers: readonly number[];
  /** Of a gpu.js kernel: threads along x, y and z; of one in WGSL: workgroups. */
  readonly extents: readonly number[];
  /** How many numbers it writes to each of its results. */
  readonly sizes: readonly number[];
}

/** Compiled kernels that run in one launch. */
export interface Program<Block> {
  /** Resolves when it can run; null when it can run now. */
  readonly building: Promise<void> | null;
  /** Runs each part; gives a new block for each of their results, in their order. */
  run(buffers: readonly Block[], parts: readonly PartArguments[]): Block[];
}

export interface Backend<Block> {
  readonly mode: GpuMode;
  /** What really runs: "webgpu, NVIDIA H200". */
  readonly description: string;
  /** Whether a CPU plays the GPU (SwiftShader, llvmpipe, gpu.js's cpu mode). */
  readonly software: boolean;
  /** Buffers that one kernel can read. */
  readonly mostBuffers: number;
  /** Whether kernels written in WGSL run. */
  readonly runsShaders: boolean;
  /** Buffers that a launch can bind, with results. */
  readonly mostBound: number;
  /** The most numbers that one block can hold. */
  readonly largestBlock: number;
  /** What went wrong since the device was made, found out later than the call that caused it. */
  readonly failure: Error | null;
  /** Compiles kernels that do not depend on one another, to run in one launch. */
  compile(parts: readonly LaunchPart[]): Program<Block>;
  /** What the indices of kernels are held to. */
  readonly checks: IndexChecks;
  /** Numbers of a block that the host can see at once, and checks itself; missing where kernels check. */
  peek?(block: Block, start: number, elements: number): Float32Array;
  /** A block with these numbers; the data may be changed afterwards. */
  upload(data: Float32Array): Block;
  /** `elements` numbers of a block, from `start` on, as of this call. */
  read(block: Block, start: number, elements: number): Promise<Float32Array<ArrayBuffer>>;
  release(block: Block): void;
  /** Resolves when all launches so far have run; rejects when one of them failed. */
  finish(): Promise<void>;
  dispose(): void;
}

/** The kernel function that gpu.js gets. */
export function functionText({ buffers, integers, numbers, body }: KernelSource): string {
  return `function (${[...buffers, ...integers, ...numbers].join(', ')}) {\n${body}\n}`;
}

/** Functions that kernels may call, by name; `native` is what WGSL runs in place of the translation. */
export const HELPERS = {
  // floor(n / d) of whole numbers from 0 on: gpu.js itself would divide as f32.
  quotient: {
    source: 'function quotient(n, d) { return Math.floor(n / d); }',
    native: 'fn fn_quotient(n : i32, d : i32) -> i32 { return n / d; }',
    settings: { argumentTypes: { n: 'Integer', d: 'Integer' }, returnType: 'Integer' },
  },
  // 1 for NaN, else 0. By its bits: compilers of shading languages may take it that no NaN exists.
  notNumber: {
    source: 'function notNumber(x) { return x === x ? 0 : 1; }',
    native:
      'fn fn_notNumber(x : f32) -> f32 { return select(0.0, 1.0, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u); }',
    settings: { argumentTypes: { x: 'Number' }, returnType: 'Number' },
  },
  // log(1 + e) for e in [0, 1] as 2 artanh(e / (2 + e)), by its series: adding 1 first would lose a small e.
  logOnePlus: {
    source: `function logOnePlus(e) {
      const s = e / (2 + e);
      const t = s * s;
      return 2 * s * (1 + t * (1 / 3 + t * (1 / 5 + t * (1 / 7 + t * (1 / 9 + t * (1 / 11 + t * (1 / 13 + t / 15)))))));
    }`,
    settings: { argumentTypes: { e: 'Number' }, returnType: 'Number' },
  },
} as const;

/** Settings that every kernel shares. */
export function kernelSettings(source: KernelSource, bufferType: string): object {
  const types = (names: readonly string[], type: string): [string, string][] => names.map((name) => [name, type]);
  return {
    output: [...source.extents],
    argumentTypes: Object.fromEntries([
      ...types(source.buffers, bufferType),
      ...types(source.integers, 'Integer'),
      ...types(source.numbers, 'Float'),
    ]),
    returnType: source.width === 4 ? 'Array(4)' : 'Number',
    pipeline: true,
    immutable: true,
    dynamicOutput: true,
    precision: 'single',
    functions: Object.entries(HELPERS).flatMap(([name, { source: text, settings }]) =>
      source.body.includes(`${name}(`) ? [{ source: text, settings }] : [],
    ),
  };
}

/** Throws when gpu.js fell back to another mode than the one that was asked for: it does so silently. */
export function checkMode(kernel: GpuJsKernel, mode: GpuMode): void {
  const ran = kernel.constructor.mode;
  if (ran !== mode || kernel.fallbackReason) {
    throw new Error(`gpu device: gpu.js ran a kernel in mode ${ran} instead of ${mode}: ${kernel.fallbackReason}`);
  }
}

/** Throws when a loop's end is not a constant: gpu.js would silently stop it after 1000 rounds. */
export function checkLoops(translated: string, source: KernelSource): void {
  if (translated.includes('LOOP_MAX')) {
    throw new Error(`gpu device: a loop of this kernel has no constant bound:\n${functionText(source)}`);
  }
}
