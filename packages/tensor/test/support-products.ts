/** What the tests of the matrix-product kernels share: running kernels on arrays, random data, tolerances. */
import { harness } from '../scratch/harness.ts';
import { matmulKernels } from '../src/devices/wasm/kernels/matmul.ts';
import { groupedKernels } from '../src/devices/wasm/kernels/grouped.ts';
import { attentionKernels } from '../src/devices/wasm/kernels/attention.ts';
import type { Kernels } from '../src/devices/kernels.ts';
import type { DeviceBuffer } from '../src/devices/device.ts';

export type Products = Pick<
  Kernels,
  'matmul' | 'groupedMatmul' | 'groupedMatmulTransposed' | 'attention' | 'attentionBackward'
>;

const device = harness(process.env['PLAIN'] ? 'kernels' : 'kernels-relaxed');
const kernels: Products = {
  ...matmulKernels(device.recorder),
  ...groupedKernels(device.recorder),
  ...attentionKernels(device.recorder),
};

/** Puts the arrays on the device, runs `record` on them and gives the arrays back as they are afterwards. */
export async function run<N extends string>(
  arrays: Record<N, Float32Array | Int32Array>,
  record: (kernels: Products, buffers: Record<N, DeviceBuffer>) => void,
): Promise<Record<N, Float32Array | Int32Array>> {
  const mark = device.mark();
  const names = Object.keys(arrays) as N[];
  const buffers = {} as Record<N, ReturnType<typeof device.buffer>>;
  for (const name of names) buffers[name] = device.buffer(arrays[name], arrays[name] instanceof Int32Array);
  record(kernels, buffers);
  const results = {} as Record<N, Float32Array | Int32Array>;
  for (const name of names)
    results[name] = arrays[name] instanceof Int32Array ? device.i32(buffers[name]) : device.f32(buffers[name]);
  device.rewind(mark);
  return results;
}

/** Numbers in [-1, 1), the same for the same seed. */
export function randomArray(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** The largest |actual - expected| - tolerance * (1 + |expected|); positive or NaN when any element is off. */
export function excess(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): number {
  if (actual.length !== expected.length) return Number.NaN;
  let worst = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < expected.length; i++) {
    const over = Math.abs(actual[i]! - expected[i]!) - tolerance * (1 + Math.abs(expected[i]!));
    if (!(over <= worst)) worst = over;
    if (Number.isNaN(over)) return over;
  }
  return worst;
}
