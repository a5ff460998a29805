/** The kernel list on gpu.js. */
import type { DeviceBuffer } from '../device.ts';
import type { Kernels } from '../kernels.ts';
import type { GpuBuffer } from './device.ts';
import { attentionKernels } from './kernels/attention.ts';
import { elementwiseKernels } from './kernels/elementwise.ts';
import { layerKernels } from './kernels/layers.ts';
import { lossKernels } from './kernels/loss.ts';
import { matmulKernels } from './kernels/matmul.ts';
import { movementKernels } from './kernels/movement.ts';
import { normalizationKernels } from './kernels/normalizations.ts';
import { optimizerKernels } from './kernels/optimizer.ts';
import { reduceKernels } from './kernels/reduce.ts';
import { rowKernels } from './kernels/rows.ts';
import { segmentKernels } from './kernels/segments.ts';
import { softmaxKernels } from './kernels/softmax.ts';
import type { Launcher } from './launcher.ts';
import { Recorder } from './recorder.ts';

/** Every kernel: a call records its launches, and frees what they made in between. */
export function gpuKernels(launcher: Launcher, slotOf: (buffer: DeviceBuffer) => GpuBuffer): Kernels {
  const recorder = new Recorder(launcher, slotOf);
  const kernels: Kernels = {
    ...elementwiseKernels(recorder),
    ...movementKernels(recorder),
    ...reduceKernels(recorder),
    ...matmulKernels(recorder),
    ...normalizationKernels(recorder),
    ...softmaxKernels(recorder),
    ...layerKernels(recorder),
    ...attentionKernels(recorder),
    ...lossKernels(recorder),
    ...rowKernels(recorder),
    ...segmentKernels(recorder),
    ...optimizerKernels(recorder),
  };
  const framed = Object.entries(kernels).map(([name, kernel]: [string, (args: never) => void]) => {
    return [name, (args: never) => launcher.frame(() => kernel(args))] as const;
  });
  return Object.fromEntries(framed) as unknown as Kernels;
}
