/**
 * gpu.js in its mode `webasm`: kernels translated to vectorised WebAssembly; called asynchronously, they are spread
 * over threads.
 */
import * as gpujs from 'gpu.js';
import type { Input, Peer, Work } from '../work.ts';

type Result = Float32Array | Float32Array[];

interface Kernel {
  (...inputs: readonly Input[]): Result | Promise<Result>;
  readonly kernel: { readonly constructor: { readonly mode: string }; readonly fallbackReason: string | null };
}

/** Its types leave out the mode. */
const { GPU } = gpujs as unknown as {
  readonly GPU: new (settings: {
    readonly mode: 'webasm';
  }) => {
    createKernel(source: string, settings: object): Kernel;
  };
};

export async function openGpuJs(threads: number): Promise<Peer> {
  const gpu = new GPU({ mode: 'webasm' });
  return {
    async prepare(work, inputs) {
      const { body, output } = kernelOf(work);
      const names = inputs.map((_, i) => 'abc'[i]).join(', ');
      const settings = {
        output,
        loopMaxIterations: 2 ** 20,
        ...(threads > 1 && { asyncMode: true, poolSize: threads }),
      };
      const kernel = gpu.createKernel(`function (${names}) { ${body} }`, settings);
      await kernel(...inputs);
      const { constructor, fallbackReason } = kernel.kernel;
      if (constructor.mode !== 'webasm') throw new Error(`it fell back to ${constructor.mode}: ${fallbackReason}`);
      return {
        async run(times) {
          for (let i = 0; i < times; i++) await kernel(...inputs);
        },
        async result() {
          const result = await kernel(...inputs);
          return result instanceof Float32Array ? result : Float32Array.from(result.flatMap((row) => Array.from(row)));
        },
      };
    },
  };
}

const NOT_BUILT = 'not built as a kernel here';

/**
 * Kernels are given as text: their language is a part of JavaScript that no type checker knows. Loops have constant
 * bounds.
 */
function kernelOf(work: Work): { readonly body: string; readonly output: readonly number[] } {
  switch (work.kind) {
    case 'matmul': {
      const { m, n, k, batch, transposeA, transposeB } = work;
      if (batch !== 1) throw new Error(NOT_BUILT);
      const a = transposeA ? `i * ${m} + this.thread.y` : `this.thread.y * ${k} + i`;
      const b = transposeB ? `this.thread.x * ${k} + i` : `i * ${n} + this.thread.x`;
      return {
        body: `let sum = 0; for (let i = 0; i < ${k}; i++) { sum += a[${a}] * b[${b}]; } return sum;`,
        output: [n, m],
      };
    }
    case 'add':
      return { body: 'return a[this.thread.x] + b[this.thread.x];', output: [work.count] };
    case 'silu':
      return { body: 'return a[this.thread.x] / (1 + Math.exp(-a[this.thread.x]));', output: [work.count] };
    default:
      throw new Error(NOT_BUILT);
  }
}
