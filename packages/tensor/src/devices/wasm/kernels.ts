/** The kernel list of the wasm device, put together from its families. */
import type { Kernels } from '../kernels.ts';
import { attentionKernels } from './kernels/attention.ts';
import { elementwiseKernels } from './kernels/elementwise.ts';
import { groupedKernels } from './kernels/grouped.ts';
import { layersKernels } from './kernels/layers.ts';
import { lossKernels } from './kernels/loss.ts';
import { matmulKernels } from './kernels/matmul.ts';
import { optimizerKernels } from './kernels/optimizer.ts';
import { randomKernels } from './kernels/random.ts';
import { reduceKernels } from './kernels/reduce.ts';
import { rowsKernels } from './kernels/rows.ts';
import type { Recorder } from './recorder.ts';

export function wasmKernels(recorder: Recorder): Kernels {
  return {
    ...elementwiseKernels(recorder),
    ...reduceKernels(recorder),
    ...matmulKernels(recorder),
    ...groupedKernels(recorder),
    ...attentionKernels(recorder),
    ...layersKernels(recorder),
    ...lossKernels(recorder),
    ...rowsKernels(recorder),
    ...randomKernels(recorder),
    ...optimizerKernels(recorder),
  };
}
