/** The devices of this machine, to run one suite on all of them. */
import { afterAll, beforeAll, describe } from 'vitest';
import type { Device } from '../../src/devices/device.ts';
import { createGpuDevice } from '../../src/devices/gpu/index.ts';
import { findAdapter } from '../../src/devices/gpu/webgpu.ts';
import { createWasmDevice } from '../../src/devices/wasm/index.ts';

export { expectClose } from './check.ts';

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
    describe.skipIf(missing)(`on ${name}`, { timeout: 240_000 }, () => {
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
