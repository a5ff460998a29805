/**
 * The kernel list: every primitive that a device must run, with its arguments, by family. A device implements `Kernels`
 * whole, so a missing kernel does not compile. A family has one name everywhere: here, in ops/, in kernels/ of the
 * devices, in wasm/commands/ and wasm/assembly/, and in the tests.
 *
 * Conventions. Buffers are contiguous, row-major and of f32 unless a name says i32. Shapes were checked by the op that
 * calls; kernels check nothing. A kernel writes the whole of each output unless it says that it accumulates. An output
 * may be the same buffer as an input only where "in place" is written. Sums are taken in a fixed order that does not
 * depend on the number of threads. Extents may be 0: nothing is then written (reductions over nothing give their
 * identity).
 *
 * Indices. Ops check the indices that came from the host; those that the device computed nobody else can see. The wasm
 * device stops at one that is out of bounds with an error that names it and its bound. The gpu device cannot stop: it
 * keeps the first such index, writes nothing but its outputs, and whoever waits for the device next gets that error.
 * Offsets of groups it trusts, since it checks the keys that they are made from.
 */
import type { AttentionKernels } from './attention.ts';
import type { CrossEntropyKernels } from './cross-entropy.ts';
import type { ElementwiseKernels } from './elementwise.ts';
import type { GatherKernels } from './gather.ts';
import type { GroupedMatmulKernels } from './grouped-matmul.ts';
import type { MatmulKernels } from './matmul.ts';
import type { MovementKernels } from './movement.ts';
import type { NormKernels } from './norm.ts';
import type { OptimizerKernels } from './optimizer.ts';
import type { RandomKernels } from './random.ts';
import type { ReduceKernels } from './reduce.ts';
import type { RopeKernels } from './rope.ts';
import type { SegmentKernels } from './segments.ts';
import type { SoftmaxKernels } from './softmax.ts';
import type { SwiGluKernels } from './swiglu.ts';
import type { TopKKernels } from './topk.ts';

/** Every kernel of a device. */
export interface Kernels
  extends ElementwiseKernels,
    MovementKernels,
    ReduceKernels,
    MatmulKernels,
    GroupedMatmulKernels,
    NormKernels,
    SoftmaxKernels,
    SwiGluKernels,
    RopeKernels,
    AttentionKernels,
    CrossEntropyKernels,
    TopKKernels,
    GatherKernels,
    SegmentKernels,
    RandomKernels,
    OptimizerKernels {}
