/** How launches reach WebGPU: many handed over together, nothing made twice; on Dawn's null backend. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { create } from 'webgpu';
import type { DeviceBuffer } from '../src/devices/device.ts';
import type { GpuDevice } from '../src/devices/gpu/index.ts';
import { MOST_GATHERED } from '../src/devices/gpu/schedule.ts';
import type { WebGpuAdapter, WebGpuDevice } from '../src/devices/gpu/webgpu.ts';
import { openWebGpu } from './support/webgpu.ts';

const nothing = create(['backend=null']) as { requestAdapter(): Promise<WebGpuAdapter | null> };
beforeAll(() => {
  vi.stubGlobal('navigator', { gpu: nothing });
});
afterAll(() => {
  vi.unstubAllGlobals();
});

let device: GpuDevice;
let native: WebGpuDevice;
let x: DeviceBuffer;
let out: DeviceBuffer;
beforeEach(async () => {
  ({ device, native } = await openWebGpu((await nothing.requestAdapter())!));
  [x, out] = [device.allocate(64), device.allocate(64)];
  device.write(x, new Float32Array(64));
  softmax();
  await device.synchronize();
});
afterEach(() => device.dispose());

const softmax = (from = x, to = out): void => device.kernels.softmax({ x: from, out: to, rows: 4, columns: 16 });

it('hands launches over together, the last when the host pauses', async () => {
  const submit = vi.spyOn(native.queue, 'submit');
  // Each reads what the one before made, so none run together.
  for (let i = 0; i < 2 * MOST_GATHERED; i++) softmax(out, out);
  expect(submit.mock.calls.length).toBeGreaterThan(1);
  expect(device.statistics.launches).toBeGreaterThan(2 * MOST_GATHERED);
  softmax();
  submit.mockClear();
  await new Promise(setImmediate);
  expect(submit).toHaveBeenCalledTimes(1);
  await device.synchronize();
  expect(submit).toHaveBeenCalledTimes(2);
});

it('runs launches that do not depend on one another as one', async () => {
  const [a, b, sum] = [device.allocate(64), device.allocate(64), device.allocate(4)];
  const before = device.statistics.launches;
  softmax(x, a);
  softmax(out, b);
  device.kernels.logSumExp({ x: a, out: sum, rows: 4, columns: 16 });
  softmax(b, b);
  await device.synchronize();
  expect(device.statistics.launches - before).toBe(2);
});

it('runs large launches alone', async () => {
  const count = 2 ** 20 + 16;
  const large = device.allocate(count);
  device.write(large, new Float32Array(count));
  const before = device.statistics.launches;
  for (let i = 0; i < 3; i++)
    device.kernels.softmax({ x: large, out: device.allocate(count), rows: count / 16, columns: 16 });
  await device.synchronize();
  expect(device.statistics.launches - before).toBe(3);
});

it('hands reads that come together over with what they wait for', async () => {
  const submit = vi.spyOn(native.queue, 'submit');
  softmax();
  await Promise.all([device.read(out), device.read(x), device.read(out)]);
  expect(submit).toHaveBeenCalledTimes(1);
});

it('makes neither buffers nor bind groups for work that repeats', async () => {
  const step = async (): Promise<void> => {
    const [a, b] = [device.allocate(64), device.allocate(64)];
    device.kernels.softmax({ x, out: a, rows: 4, columns: 16 });
    device.kernels.softmax({ x: a, out: b, rows: 4, columns: 16 });
    device.kernels.softmaxBackward({ y: b, gradient: a, out, rows: 4, columns: 16 });
    await device.read(out);
    for (const buffer of [a, b]) device.free(buffer);
  };
  // What `out` holds takes turns among the buffers.
  for (let i = 0; i < 8; i++) await step();
  const groups = vi.spyOn(native, 'createBindGroup');
  const buffers = vi.spyOn(native, 'createBuffer');
  for (let i = 0; i < 4; i++) await step();
  expect(groups).not.toHaveBeenCalled();
  expect(buffers).not.toHaveBeenCalled();
});

it('writes to a buffer only once what still reads it is handed over', async () => {
  const submit = vi.spyOn(native.queue, 'submit');
  softmax();
  expect(device.statistics.launches).toBeGreaterThan(0);
  device.free(x);
  x = device.allocate(64);
  device.write(x, new Float32Array(64));
  expect(submit).toHaveBeenCalledTimes(1);
  await device.synchronize();
});

it('builds pipelines side by side', async () => {
  const build = vi.spyOn(native, 'createComputePipelineAsync');
  device.kernels.softmaxBackward({ y: x, gradient: x, out, rows: 4, columns: 16 });
  expect(device.statistics.launches).toBeGreaterThan(0);
  device.kernels.logSumExp({ x, out: device.allocate(4), rows: 4, columns: 16 });
  expect(device.statistics.launches).toBeGreaterThan(0);
  expect(build).toHaveBeenCalledTimes(2);
  await device.synchronize();
});

it('shows the shader that WebGPU refuses', async () => {
  vi.spyOn(native, 'createComputePipelineAsync').mockRejectedValue(new Error('no such type'));
  device.kernels.logSumExp({ x, out: device.allocate(4), rows: 4, columns: 16 });
  await expect(device.synchronize()).rejects.toThrow(/WebGPU refuses a kernel:[^]*no such type[^]*@compute/);
});
