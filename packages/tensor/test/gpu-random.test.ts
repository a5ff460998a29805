/** Random numbers made on a GPU: the stream of the wasm device. */
import { expect, it } from 'vitest';
import { createGpuDevice } from '../src/devices/gpu/index.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { hasWebGpu, webGpuNote } from './support/conformance.ts';

const COUNT = 100_003;

it.skipIf(!hasWebGpu)(`are those of the wasm device${webGpuNote}`, { timeout: 60_000 }, async () => {
  const devices = [await createWasmDevice({ threads: 0 }), await createGpuDevice({ mode: 'webgpu' })];
  const draw = (distribution: 'uniform' | 'normal'): Promise<Float32Array[]> =>
    Promise.all(
      devices.map(async (device) => {
        const out = device.allocate(COUNT);
        device.kernels.random({ out, distribution, count: COUNT, keyLow: 0xffff_fff1, keyHigh: 0x8000_0001 });
        return new Float32Array(await device.read(out));
      }),
    );
  const [uniform, uniformOnGpu] = await draw('uniform');
  expect(uniformOnGpu).toEqual(uniform);
  const [normal, normalOnGpu] = await draw('normal');
  let worst = 0;
  for (const [i, value] of normal!.entries()) worst = Math.max(worst, Math.abs(normalOnGpu![i]! - value));
  expect(worst).toBeLessThan(2e-6);
  await Promise.all(devices.map((device) => device.dispose()));
});
