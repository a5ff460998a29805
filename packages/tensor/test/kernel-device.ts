/** What the kernel tests need from a device: buffers made from numbers, and numbers back. */
import type { DeviceBuffer } from '../src/devices/device.ts';
import type { Kernels } from '../src/devices/kernels/index.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';

export interface KernelDevice {
  readonly kernels: Kernels;
  f32(data: ArrayLike<number>): DeviceBuffer;
  i32(data: ArrayLike<number>): DeviceBuffer;
  /** A buffer full of NaN (as i32: a number that no kernel here writes), so that elements left unwritten show. */
  empty(elements: number): DeviceBuffer;
  readF32(buffer: DeviceBuffer): Promise<Float32Array>;
  readI32(buffer: DeviceBuffer): Promise<Int32Array>;
  close(): Promise<void>;
}

/** Both builds of the kernels: with relaxed SIMD where the host has it, and without. */
export const builds = [
  ['as the host allows', 'auto'],
  ['without relaxed SIMD', false],
] as const;

export async function openDevice(threads = 1, relaxedSimd: false | 'auto' = 'auto'): Promise<KernelDevice> {
  const device = await createWasmDevice({ threads, relaxedSimd });
  const put = (data: Float32Array | Int32Array): DeviceBuffer => {
    const buffer = device.allocate(data.length);
    device.write(buffer, data);
    return buffer;
  };
  return {
    kernels: device.kernels,
    f32: (data) => put(Float32Array.from(data)),
    i32: (data) => put(Int32Array.from(data)),
    empty: (elements) => put(new Float32Array(elements).fill(Number.NaN)),
    readF32: async (buffer) => new Float32Array(await device.read(buffer), 0, buffer.elements),
    readI32: async (buffer) => new Int32Array(await device.read(buffer), 0, buffer.elements),
    close: () => device.dispose(),
  };
}

/** Runs the same work in place and on 1, 2 and 3 threads, and returns what each gave. */
export async function onThreads<T>(
  work: (device: KernelDevice) => Promise<T>,
  relaxedSimd: false | 'auto' = 'auto',
): Promise<T[]> {
  const results: T[] = [];
  for (const threads of [0, 1, 2, 3]) {
    const device = await openDevice(threads, relaxedSimd);
    results.push(await work(device));
    await device.close();
  }
  return results;
}

/** Numbers in [-1, 1), the same in every run (a linear congruential generator, unlike the one under test). */
export function noise(count: number, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) * 2 ** -23 - 1;
  });
}

/** Integers in [0, bound). */
export function noiseIntegers(count: number, bound: number, seed = 1): Int32Array {
  return Int32Array.from(noise(count, seed), (x) => Math.min(bound - 1, Math.floor(((x + 1) / 2) * bound)));
}

/**
 * The largest error in units of its bound `absolute + relative * |expected|`: at most 1 when all is well. Infinite when
 * the lengths differ or a NaN meets a number.
 */
export function excess(actual: ArrayLike<number>, expected: ArrayLike<number>, absolute: number, relative = 0): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const got = actual[i]!;
    const want = expected[i]!;
    if (Object.is(got, want)) continue;
    const error = Math.abs(got - want);
    if (error > 0) worst = Math.max(worst, error / (absolute + relative * Math.abs(want)));
    else if (Number.isNaN(error)) return Number.POSITIVE_INFINITY;
  }
  return worst;
}
