/** The kernel list of the wasm device, put together from its families. */
import type { Kernels } from '../../kernels/index.ts';
import { attentionKernels } from './attention.ts';
import { crossEntropyKernels } from './cross-entropy.ts';
import { elementwiseKernels } from './elementwise.ts';
import { gatherKernels } from './gather.ts';
import { groupedMatmulKernels } from './grouped-matmul.ts';
import { matmulKernels } from './matmul.ts';
import { movementKernels } from './movement.ts';
import { normKernels } from './norm.ts';
import { optimizerKernels } from './optimizer.ts';
import { randomKernels } from './random.ts';
import { reduceKernels } from './reduce.ts';
import { ropeKernels } from './rope.ts';
import { segmentKernels } from './segments.ts';
import { softmaxKernels } from './softmax.ts';
import { swiGluKernels } from './swiglu.ts';
import { topKKernels } from './topk.ts';
import type { Recorder } from '../recorder.ts';

export function wasmKernels(recorder: Recorder): Kernels {
  return {
    ...elementwiseKernels(recorder),
    ...movementKernels(recorder),
    ...reduceKernels(recorder),
    ...matmulKernels(recorder),
    ...groupedMatmulKernels(recorder),
    ...normKernels(recorder),
    ...softmaxKernels(recorder),
    ...swiGluKernels(recorder),
    ...ropeKernels(recorder),
    ...attentionKernels(recorder),
    ...crossEntropyKernels(recorder),
    ...topKKernels(recorder),
    ...gatherKernels(recorder),
    ...segmentKernels(recorder),
    ...randomKernels(recorder),
    ...optimizerKernels(recorder),
  };
}
