/** The kernel list on gpu.js, put together from its families. */
import type { DeviceBuffer } from '../../device.ts';
import type { Kernels } from '../../kernels/index.ts';
import type { GpuBuffer } from '../device.ts';
import type { Launcher } from '../launcher.ts';
import { Recorder } from '../recorder.ts';
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

/** Every kernel: a call records its launches, and frees what they made in between. */
export function gpuKernels(launcher: Launcher, slotOf: (buffer: DeviceBuffer) => GpuBuffer): Kernels {
  const recorder = new Recorder(launcher, slotOf);
  const kernels: Kernels = {
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
  const framed = Object.entries(kernels).map(([name, kernel]: [string, (args: never) => void]) => {
    return [name, (args: never) => launcher.frame(() => kernel(args))] as const;
  });
  return Object.fromEntries(framed) as unknown as Kernels;
}
