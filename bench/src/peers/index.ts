/**
 * Other engines that compute on the CPU: those of JavaScript, and PyTorch for comparison. They are looked up when the
 * program runs, so that one that is not installed is merely left out.
 */
import type { Peer } from '../work.ts';
import { openGpuJs } from './gpu-js.ts';
import { openJax } from './jax.ts';
import { openOnnxRuntime } from './onnx-runtime.ts';
import { openTfjs } from './tfjs.ts';
import { openTorch } from './torch.ts';

/** How to open each peer, by the name it goes by. */
export const peers: Readonly<Record<string, () => Promise<Peer>>> = {
  'tfjs 1T': openTfjs,
  'jax-js 1T': openJax,
  'onnxruntime-web 1T': () => openOnnxRuntime(1),
  'onnxruntime-web 2T': () => openOnnxRuntime(2),
  'gpu.js 1T': () => openGpuJs(1),
  'gpu.js 2T': () => openGpuJs(2),
  'PyTorch 1T': () => openTorch(1),
  'PyTorch 2T': () => openTorch(2),
};
