/** Attention with workgroup memory against that of the wasm device: its results and all gradients. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device, DeviceBuffer } from '../src/devices/device.ts';
import { createGpuDevice, type GpuDevice } from '../src/devices/gpu/index.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { noise } from './kernel-device.ts';
import { furthest, resultsOn } from './support/compare.ts';
import { hasWebGpu, webGpuNote } from './support/conformance.ts';

describe.skipIf(!hasWebGpu)(`on WebGPU${webGpuNote}`, { timeout: 120_000 }, () => {
  let devices: readonly [Device, GpuDevice];
  beforeAll(async () => {
    devices = [await createWasmDevice({ threads: 0 }), await createGpuDevice({ mode: 'webgpu' })];
  });
  afterAll(() => Promise.all(devices.map((device) => device.dispose())));

  it.each([
    // batch, sequence, heads, keyHeads, headDim, valueDim; whether forward and backward take three launches
    [2, 70, 4, 2, 12, 8, true],
    [1, 130, 1, 1, 4, 12, true],
    [1, 63, 2, 2, 4, 8, false],
    [1, 64, 2, 2, 6, 6, false],
    [1, 64, 2, 1, 68, 4, false],
  ] as const)(
    '%i sequences of %i, %i heads on %i, of %i and %i numbers',
    async (batch, sequence, heads, keyHeads, headDim, valueDim, isFused) => {
      const shape = { batch, sequence, heads, keyHeads, headDim, valueDim, scale: headDim ** -0.5 };
      const tokens = batch * sequence;
      const sizes = [heads * headDim, keyHeads * headDim, keyHeads * valueDim, heads * valueDim];
      const [qSize, kSize, vSize, outSize] = sizes.map((size) => tokens * size) as [number, number, number, number];
      const inputs = [noise(qSize), noise(kSize, 2), noise(vSize, 3), noise(outSize, 4)].map((x) =>
        x.map((y) => 2 * y),
      );
      const before = devices[1].statistics.launches;
      const [expected, actual] = await resultsOn(
        devices,
        inputs,
        [outSize, tokens * heads, qSize, kSize, vSize],
        ({ kernels }, given, results) => {
          const [q, k, v, gradient] = given as [DeviceBuffer, DeviceBuffer, DeviceBuffer, DeviceBuffer];
          const [out, logSumExp, gradQ, gradK, gradV] = results as [
            DeviceBuffer,
            DeviceBuffer,
            DeviceBuffer,
            DeviceBuffer,
            DeviceBuffer,
          ];
          kernels.attention({ ...shape, q, k, v, out, logSumExp });
          kernels.attentionBackward({ ...shape, q, k, v, out, logSumExp, gradient, gradQ, gradK, gradV });
        },
      );
      for (const [i, result] of expected!.entries())
        expect(furthest(actual![i]!, result), `result ${i}`).toBeLessThan(3e-5);
      expect(devices[1].statistics.launches - before === 3).toBe(isFused);
    },
  );
});
