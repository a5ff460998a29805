/** The kernel list of the wasm device, put together from its families. */
import type { Kernels } from '../kernels.ts';
import type { Recorder } from './recorder.ts';

export type WasmKernels = Pick<Kernels, never>;

export function wasmKernels(_recorder: Recorder): WasmKernels {
  return {};
}
