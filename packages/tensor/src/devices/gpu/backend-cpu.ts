/**
 * gpu.js's `cpu` mode: the same kernels, translated to plain JavaScript and run at once on the calling thread with
 * float64 arithmetic. Slow and easy to follow: what the other modes are held against.
 */
import {
  type Backend,
  checkLoops,
  checkMode,
  functionText,
  kernelSettings,
  type KernelSource,
  type LaunchPart,
  type Program,
} from './backend.ts';
import type { GpuJs } from './gpujs.ts';
import { IndexChecks } from './index-checks.ts';

/** What gpu.js gives: rows of rows of numbers, or of four numbers. */
type Nested = ArrayLike<number> | ArrayLike<Nested>;

export function createCpuBackend({ GPU }: GpuJs): Backend<Float32Array> {
  const gpu = new GPU({ mode: 'cpu' });

  /** A kernel by itself. */
  function kernelOf(source: KernelSource): (args: readonly unknown[], extents: readonly number[]) => Float32Array {
    const { kernel } = gpu.createKernel(functionText(source), kernelSettings(source, 'Array'));
    return (args, extents) => {
      kernel.setOutput(extents);
      if (!kernel.built) {
        void kernel.build(...args);
        checkMode(kernel, 'cpu');
        checkLoops(kernel.kernelString.replace('const LOOP_MAX', ''), source);
      }
      const result = kernel.run(...args) as Nested;
      if (result instanceof Float32Array) return result;
      const flat = new Float32Array(extents.reduce((a, b) => a * b, source.width));
      flatten(result, flat, 0);
      return flat;
    };
  }

  function compile(parts: readonly LaunchPart[]): Program<Float32Array> {
    const kernels = parts.map(({ source }) => kernelOf(source as KernelSource));
    return {
      building: null,
      run: (blocks, all) =>
        all.map(({ integers, numbers, extents }, i) => {
          const own = parts[i]!.buffers.map((buffer) => blocks[buffer]!);
          return kernels[i]!([...own, ...integers, ...numbers], extents);
        }),
    };
  }

  return {
    mode: 'cpu',
    description: 'gpu.js cpu mode',
    software: true,
    // What every GPU has.
    runsShaders: false,
    mostBuffers: 7,
    mostBound: 8,
    largestBlock: 2 ** 29,
    failure: null,
    compile,
    checks: new IndexChecks(),
    peek: (block, start, elements) => block.subarray(start, start + elements),
    upload: (data) => data.slice(),
    read: (block, start, elements) => Promise.resolve(block.slice(start, start + elements)),
    release: () => {},
    finish: () => Promise.resolve(),
    dispose: () => void gpu.destroy(),
  };
}

function flatten(from: Nested, to: Float32Array, at: number): number {
  for (let i = 0; i < from.length; i++) {
    const element = from[i]!;
    if (typeof element === 'number') to[at++] = element;
    else at = flatten(element, to, at);
  }
  return at;
}
