/** Every kernel of the gpu device against the wasm device, which was written apart from it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '../src/devices/device.ts';
import { createCpuBackend } from '../src/devices/gpu/backend-cpu.ts';
import { type GpuDevice, LauncherDevice } from '../src/devices/gpu/device.ts';
import { createGpuDevice } from '../src/devices/gpu/index.ts';
import { Launcher } from '../src/devices/gpu/launcher.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { expectClose, hasWebGpu, webGpuNote } from './support/conformance.ts';
import { Bench, tour } from './support/tour.ts';

const names = Object.keys(tour) as (keyof typeof tour)[];

let wasm: Device;
beforeAll(async () => {
  wasm = await createWasmDevice({ threads: 0 });
});
afterAll(() => wasm.dispose());

/** The case on both devices; nothing is left on the gpu device. */
async function compare(name: keyof typeof tour, gpu: GpuDevice): Promise<void> {
  const before = gpu.resident.bytes;
  const [expected, actual] = [new Bench(wasm), new Bench(gpu)];
  const [reference, outcome] = [tour[name](expected), tour[name](actual)];
  const { floats = {}, integers = {}, tolerance = 3e-6 } = outcome;
  for (const key of Object.keys(floats)) {
    const [got, want] = [await actual.read(floats[key]!, false), await expected.read(reference.floats![key]!, false)];
    expectClose(got, want, tolerance, `${name} ${key}`);
  }
  for (const key of Object.keys(integers)) {
    expect(await actual.read(integers[key]!, true), `${name} ${key}`).toEqual(
      await expected.read(reference.integers![key]!, true),
    );
  }
  expected.free();
  actual.free();
  await gpu.synchronize();
  expect(gpu.resident.bytes).toBe(before);
}

describe('cpu mode', () => {
  let gpu: GpuDevice;
  beforeAll(async () => {
    gpu = await createGpuDevice({ mode: 'cpu' });
  });
  afterAll(() => gpu.dispose());

  it.each(names)('%s', (name) => compare(name, gpu));
});

describe.skipIf(!hasWebGpu)(`webgpu mode${webGpuNote}`, () => {
  let gpu: GpuDevice;
  beforeAll(async () => {
    gpu = await createGpuDevice({ mode: 'webgpu' });
  });
  afterAll(() => gpu.dispose());

  // Most of the time goes into building the kernels.
  it.each(names)('%s', { timeout: 60_000 }, (name) => compare(name, gpu));
});

describe('where one block holds little', () => {
  // Attention goes over the batch in slabs, the optimiser writes the parts of a large parameter one by one.
  it.each([
    ['attention', 512],
    ['attentionBackward', 512],
    ['adamW', 200],
  ] as const)('%s still fits', async (name, largestBlock) => {
    const gpu = new LauncherDevice(new Launcher({ ...createCpuBackend(), largestBlock }));
    await compare(name, gpu);
  });
});
