/**
 * Other JavaScript engines that compute on the CPU. They are looked up when the program runs, so that one that is not installed is
 * merely left out.
 */
import type { Peer } from '../work.ts';
import { openJax } from './jax.ts';
import { openOnnxRuntime } from './onnxRuntime.ts';
import { openTfjs } from './tfjs.ts';

/** How to open each peer, by the name it goes by. */
export const peers: Readonly<Record<string, () => Promise<Peer>>> = {
  'tfjs 1T': openTfjs,
  'jax-js 1T': openJax,
  'onnxruntime-web 1T': () => openOnnxRuntime(1),
  'onnxruntime-web 2T': () => openOnnxRuntime(2),
};
