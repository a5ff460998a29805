/** The gpu device: kernels of gpu.js on WebGPU, or on the CPU as the oracle of tests. */
import type { Backend, GpuMode } from './backend.ts';
import { type GpuDevice, LauncherDevice } from './device.ts';
import { HOW_TO_ADD_GPU_JS, loadGpuJs } from './gpujs.ts';
import { Launcher } from './launcher.ts';

export type { GpuMode } from './backend.ts';
export type { GpuDevice } from './device.ts';

/** Which backend of gpu.js runs the kernels. */
export interface GpuDeviceOptions {
  /** The mode of gpu.js; 'auto' takes the first that has a GPU. */
  readonly mode?: 'auto' | GpuMode;
  /** Whether a CPU may play the GPU (SwiftShader, llvmpipe). By default when the mode is named. */
  readonly allowSoftware?: boolean;
}

/** In the order in which 'auto' tries them. */
const GPU_MODES: readonly GpuMode[] = ['webgpu'];

/**
 * Opens a GPU.
 *
 * @throws Error that says what each mode lacks when there is none
 */
export async function createGpuDevice(options: GpuDeviceOptions = {}): Promise<GpuDevice> {
  const device = await findGpuDevice(options);
  if (typeof device !== 'string') return device;
  throw new Error(`createGpuDevice: no GPU to run on (${device}); createWasmDevice runs on the CPU`);
}

/** As createGpuDevice, but says what each mode lacks instead of throwing. */
export async function findGpuDevice(options: GpuDeviceOptions = {}): Promise<GpuDevice | string> {
  const { mode = 'auto', allowSoftware = mode !== 'auto' } = options;
  const reasons: string[] = [];
  for (const candidate of mode === 'auto' ? GPU_MODES : [mode]) {
    const backend = await open(candidate, allowSoftware);
    if (typeof backend !== 'string') return new LauncherDevice(new Launcher(backend));
    reasons.push(`${candidate}: ${backend}`);
  }
  return reasons.join('; ');
}

/** The backend of a mode, or why there is none. */
async function open(mode: GpuMode, allowSoftware: boolean): Promise<Backend<unknown> | string> {
  if (mode === 'cpu') {
    const [gpuJs, { createCpuBackend }] = await Promise.all([loadGpuJs(), import('./backend-cpu.ts')]);
    return gpuJs === null ? HOW_TO_ADD_GPU_JS : createCpuBackend(gpuJs);
  }
  const { describeAdapter, findAdapter, isSoftware } = await import('./webgpu.ts');
  const adapter = await findAdapter();
  if (adapter === null) {
    return (
      'no adapter; in Node this needs a Vulkan, Metal or D3D12 driver and two optional packages, which ' +
      '"pnpm add webgpu@0.6.2 gpu.js@2.24.1" or "npm install webgpu@0.6.2 gpu.js@2.24.1" adds'
    );
  }
  if (isSoftware(adapter.info) && !allowSoftware) {
    return `${describeAdapter(adapter.info)} runs on the CPU; name the mode or set allowSoftware to use it`;
  }
  const [gpuJs, { createWebGpuBackend }] = await Promise.all([loadGpuJs(), import('./backend-webgpu.ts')]);
  return gpuJs === null ? HOW_TO_ADD_GPU_JS : await createWebGpuBackend(gpuJs, adapter);
}
