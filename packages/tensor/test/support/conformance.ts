/** Holds an op against a float64 reference on every device: values, gradients by central differences, and no memory left behind. */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { backward } from '../../src/autograd.ts';
import type { Device } from '../../src/devices/device.ts';
import { createGpuDevice } from '../../src/devices/gpu/index.ts';
import { findAdapter } from '../../src/devices/gpu/webgpu.ts';
import { createWasmDevice } from '../../src/devices/wasm/index.ts';
import { scope } from '../../src/scope.ts';
import { tensor, Tensor } from '../../src/tensor.ts';
import { fromFlat, type NdArray, noise, total } from './array.ts';

/** WebGPU where there is an adapter: a GPU, or SwiftShader when its driver is named by VK_DRIVER_FILES. */
const adapter = await findAdapter();

/** Whether this machine has a WebGPU adapter. */
export const hasWebGpu: boolean = adapter !== null;

/** For the titles of suites that need one. */
export const webGpuNote: string = hasWebGpu ? '' : ' (skipped: no WebGPU adapter here)';

const devices: readonly { name: string; create: () => Promise<Device>; missing?: boolean }[] = [
  { name: 'wasm in place', create: () => createWasmDevice({ threads: 0 }) },
  { name: 'wasm, 1 thread', create: () => createWasmDevice({ threads: 1 }) },
  { name: 'wasm, 3 threads', create: () => createWasmDevice({ threads: 3 }) },
  { name: 'wasm without relaxed SIMD', create: () => createWasmDevice({ threads: 0, relaxedSimd: false }) },
  { name: 'gpu in cpu mode', create: () => createGpuDevice({ mode: 'cpu' }) },
  { name: `gpu in webgpu mode${webGpuNote}`, create: () => createGpuDevice({ mode: 'webgpu' }), missing: !hasWebGpu },
];

/** Declares a suite once for each device; those that this machine lacks show as skipped. */
export function onEveryDevice(declare: (device: () => Device) => void): void {
  for (const { name, create, missing = false } of devices) {
    // SwiftShader, where it plays the GPU, takes long to build kernels.
    describe.skipIf(missing)(`on ${name}`, { timeout: 60_000 }, () => {
      let device: Device | undefined;
      beforeAll(async () => {
        device = await create();
      });
      afterAll(async () => {
        await device?.dispose();
      });
      declare(() => device!);
    });
  }
}

/** Whether the device computes with numbers below 2^-126; GPUs may take them as zero. */
export function keepsDenormals(device: Device): boolean {
  return device.kind === 'wasm' || device.description.includes('cpu mode');
}

export interface OpCase {
  readonly inputs: readonly NdArray[];
  readonly op: (...inputs: Tensor[]) => Tensor;
  readonly reference: (...inputs: NdArray[]) => NdArray;
  /** Error allowed, relative to the largest magnitude of the compared tensor; 2e-6 by default. */
  readonly tolerance?: number;
  /** For gradients; ten times the tolerance by default. */
  readonly gradientTolerance?: number;
  /** Inputs that take part in differentiation; all by default. */
  readonly differentiate?: readonly boolean[];
}

/** Values, gradients and memory of one case. */
export async function checkOp(device: Device, testCase: OpCase): Promise<void> {
  const { inputs, op, reference, tolerance = 2e-6 } = testCase;
  const { gradientTolerance = 10 * tolerance, differentiate = inputs.map(() => true) } = testCase;
  const expected = reference(...inputs);
  const cotangent = noise(expected.shape, 99);
  const before = device.memory.liveBuffers;
  await scope(device, async () => {
    const tensors = inputs.map((input, i) => leaf(device, input, differentiate[i]!));
    const out = op(...tensors);
    expect(out.shape).toEqual(expected.shape);
    expectClose(await out.data(), expected.data, tolerance, 'value');
    if (!differentiate.some(Boolean)) return;
    backward(out, tensor(device, [...cotangent.data], expected.shape));
    for (const [i, input] of inputs.entries()) {
      const { grad } = tensors[i]!;
      if (!differentiate[i]) {
        expect(grad).toBeNull();
        continue;
      }
      expect(grad?.shape).toEqual(input.shape);
      const which = sample(input.data.length);
      const values = await grad!.data();
      expectClose(
        which.map((at) => values[at]!),
        centralDifferences(reference, inputs, i, which, cotangent),
        gradientTolerance,
        `gradient of input ${i}`,
      );
      grad!.dispose();
    }
  });
  await device.synchronize();
  expect(device.memory.liveBuffers).toBe(before);
}

function leaf(device: Device, { shape, data }: NdArray, requiresGrad: boolean): Tensor {
  const out = new Tensor(device, shape, 'f32', { requiresGrad });
  if (out.size > 0) device.write(out.buffer, Float32Array.from(data));
  return out;
}

/** All places of a small tensor, and about thirty spread over a large one: central differences cost two references each. */
function sample(size: number): number[] {
  const step = Math.max(1, Math.floor(size / 30));
  return Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
}

/** d sum(cotangent * f(x)) / d x at the elements `places`, in float64. */
function centralDifferences(
  f: (...inputs: NdArray[]) => NdArray,
  inputs: readonly NdArray[],
  which: number,
  places: readonly number[],
  cotangent: NdArray,
): number[] {
  const { shape, data } = inputs[which]!;
  return places.map((place) => {
    const value = data[place]!;
    const step = 1e-5 * Math.max(1, Math.abs(value));
    const objective = (x: number): number => {
      const moved = inputs.with(which, fromFlat(shape, data.with(place, x)));
      return total(f(...moved).data.map((y, j) => y * cotangent.data[j]!));
    };
    return (objective(value + step) - objective(value - step)) / (2 * step);
  });
}

/** Every element within `tolerance` of the largest magnitude of `expected` (at least 1e-3). NaN and infinity must match. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = 'value',
): void {
  expect(actual.length).toBe(expected.length);
  let scale = 1e-3;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(expected[i]!)) scale = Math.max(scale, Math.abs(expected[i]!));
  }
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!;
    const b = expected[i]!;
    const close = Number.isFinite(b) ? Math.abs(a - b) <= tolerance * scale : Object.is(a, b);
    if (!close) expect.fail(`${what}, element ${i}: got ${a}, expected ${b} (tolerance ${tolerance * scale})`);
  }
}
