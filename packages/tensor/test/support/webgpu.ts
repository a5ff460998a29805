/** A gpu device on WebGPU whose native device tests can reach. */
import { createWebGpuBackend } from '../../src/devices/gpu/backend-webgpu.ts';
import { LauncherDevice } from '../../src/devices/gpu/device.ts';
import { loadGpuJs } from '../../src/devices/gpu/gpujs.ts';
import type { GpuDevice } from '../../src/devices/gpu/index.ts';
import { Launcher } from '../../src/devices/gpu/launcher.ts';
import type { WebGpuAdapter, WebGpuDevice } from '../../src/devices/gpu/webgpu.ts';

/** @param watch is given the native device before anything is made on it */
export async function openWebGpu(
  adapter: WebGpuAdapter,
  watch: (native: WebGpuDevice) => void = () => {},
): Promise<{ readonly device: GpuDevice; readonly native: WebGpuDevice }> {
  let native: WebGpuDevice | undefined;
  const watched: WebGpuAdapter = {
    info: adapter.info,
    limits: adapter.limits,
    async requestDevice(descriptor) {
      native = await adapter.requestDevice(descriptor);
      watch(native);
      return native;
    },
  };
  const backend = await createWebGpuBackend((await loadGpuJs())!, watched);
  return { device: new LauncherDevice(new Launcher(backend)), native: native! };
}
