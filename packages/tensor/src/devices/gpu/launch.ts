/** What a kernel of the list asks of the GPU: a launch of a gpu.js kernel, or of one written in WGSL. */
import type { ShaderCode } from './backend.ts';
import type { IndexCheck } from './index-checks.ts';
import type { Value } from './value.ts';

export interface Launch {
  /**
   * Names the kernel with every number that its body holds: kernels are made once for each, rank and arguments' names
   * apart.
   */
  readonly key: string;
  /** Extents, x first; row-major in the result. */
  readonly extents: readonly number[];
  /** Arguments by their names in the body; at most `backend.mostBuffers`. */
  readonly buffers: Readonly<Record<string, Value>>;
  readonly integers?: Readonly<Record<string, number>>;
  readonly numbers?: Readonly<Record<string, number>>;
  /** Buffers of indices that the device may have made, and what they are held to where they are read. */
  readonly indices?: Readonly<Record<string, IndexCheck>>;
  /** Numbers that a thread returns. */
  readonly width?: 1 | 4;
  /** The body of the kernel function; must return on every path. Buffers are read as `name[index]`. */
  readonly body: () => string;
}

/** A launch of a kernel written in WGSL. */
export interface ShaderLaunch {
  /** Names the kernel with every number that its code holds. */
  readonly key: string;
  /**
   * What it reads, `array<f32>` by these names; each begins at `params.nameStart`. With the results at most 8 (what
   * WebGPU binds on every GPU).
   */
  readonly buffers: Readonly<Record<string, Value>>;
  /** Scalars, `params.name` in the code: whole numbers and others. */
  readonly integers?: Readonly<Record<string, number>>;
  readonly numbers?: Readonly<Record<string, number>>;
  /** How many numbers it writes, to an `array<f32>` by each name. */
  readonly results: Readonly<Record<string, number>>;
  /** As in ShaderSource. */
  readonly vectorsBut?: readonly string[];
  /** Along x, y and z. */
  readonly workgroups: readonly [number, number, number];
  /** Everything but the declarations of the above. */
  readonly code: () => ShaderCode;
}

/** The argument that says where in its block a buffer begins. */
export function startOf(buffer: string): string {
  return `${buffer}Start`;
}

/** The body with every `buffer[index]` read from where the buffer begins. */
export function readsFromStart(body: string, buffers: readonly string[]): string {
  const reads = new RegExp(`\\b(${buffers.join('|')})\\[`, 'g');
  return buffers.length === 0 ? body : body.replaceAll(reads, (_, name: string) => `${name}[${startOf(name)} + `);
}
