/** Opens a device by name. */
import type { Device } from './device.ts';
import { createGpuDevice, findGpuDevice, type GpuDeviceOptions } from './gpu/index.ts';
import { createWasmDevice, type WasmDeviceOptions } from './wasm/index.ts';

/** What `createDevice` opens. */
export type DeviceName = 'auto' | 'wasm' | 'gpu';

/** Options of the devices, each for its own. */
export interface DeviceOptions {
  readonly wasm?: WasmDeviceOptions;
  readonly gpu?: GpuDeviceOptions;
}

/**
 * Opens a device: 'auto' takes a GPU where there is one and the CPU (wasm) otherwise; a GPU that is played by a CPU
 * counts only when 'gpu' is asked for by name with `allowSoftware` or a mode.
 *
 * @throws Error when 'gpu' is asked for and there is none; what createWasmDevice throws
 */
export async function createDevice(name: DeviceName = 'auto', options: DeviceOptions = {}): Promise<Device> {
  if (name === 'wasm') return await createWasmDevice(options.wasm);
  if (name === 'gpu') return await createGpuDevice(options.gpu);
  const gpu = await findGpuDevice({ ...options.gpu, allowSoftware: false });
  return typeof gpu === 'string' ? await createWasmDevice(options.wasm) : gpu;
}
