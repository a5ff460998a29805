/**
 * What happens to indices out of bounds: those of the host are an error of the op, those that the device made stop its
 * kernel.
 */
import { describe, expect, it } from 'vitest';
import { assign, ones, state, tensor } from '../src/creation.ts';
import type { Device } from '../src/devices/device.ts';
import { createGpuDevice } from '../src/devices/gpu/index.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { crossEntropy, linearCrossEntropy } from '../src/ops/cross-entropy.ts';
import { cast } from '../src/ops/elementwise.ts';
import { combineRows, dispatchRows, embedding } from '../src/ops/gather.ts';
import { groupedLinear } from '../src/ops/grouped-matmul.ts';
import { reshape } from '../src/ops/movement.ts';
import { type SegmentPlan, segmentPlan, segmentSum } from '../src/ops/segments.ts';
import { scatterAlongRows, takeAlongRows } from '../src/ops/topk.ts';
import { scope } from '../src/scope.ts';
import { Tensor } from '../src/tensor.ts';
import { hasWebGpu, onEveryDevice, webGpuNote } from './support/conformance.ts';

type Made = (device: Device, numbers: readonly number[], shape?: readonly number[]) => Tensor;

/** An op with one index that is out of bounds; `made` says who makes the indices. */
interface Misuse {
  readonly op: string;
  readonly run: (device: Device, made: Made) => unknown;
  readonly host: string;
  readonly kernel: string;
}

const misuses: readonly Misuse[] = [
  {
    op: 'embedding',
    run: (device, made) => embedding(ones(device, [4, 3]), made(device, [0, 4, 1])),
    host: 'embedding: ids holds 4; there are 4 rows in the table, so it must lie between 0 and 3',
    kernel: 'kernel GATHER_ROWS met the index 4; there are 4 rows in the table, so it must lie between 0 and 3',
  },
  {
    op: 'embedding of a negative id',
    run: (device, made) => embedding(ones(device, [4, 3]), made(device, [0, -1, 1])),
    host: 'embedding: ids holds -1; there are 4 rows',
    kernel: 'kernel GATHER_ROWS met the index -1; there are 4 rows',
  },
  {
    op: 'embedding in an empty table',
    run: (device, made) => embedding(ones(device, [0, 3]), made(device, [0])),
    host: 'embedding: ids holds 0; there are 0 rows in the table',
    kernel: 'kernel GATHER_ROWS met the index 0; there are 0 rows in the table',
  },
  {
    op: 'segmentPlan',
    run: (device, made) => segmentPlan(made(device, [0, 7]), 5),
    host: 'segmentPlan: keys holds 7; there are 5 segments',
    kernel: 'kernel SEGMENT_PLAN met the key 7; there are 5 segments',
  },
  {
    op: 'takeAlongRows',
    run: (device, made) => takeAlongRows(ones(device, [2, 3]), made(device, [0, 3], [2, 1])),
    host: 'takeAlongRows: indices holds 3; there are 3 columns',
    kernel: 'kernel TAKE_ALONG_ROWS met the index 3; there are 3 columns',
  },
  {
    op: 'scatterAlongRows',
    run: (device, made) => scatterAlongRows(ones(device, [2, 1]), made(device, [0, 3], [2, 1]), 3),
    host: 'scatterAlongRows: indices holds 3; there are 3 columns',
    kernel: 'kernel SCATTER_ALONG_ROWS met the index 3; there are 3 columns',
  },
  {
    op: 'crossEntropy',
    run: (device, made) => crossEntropy(ones(device, [3, 6]), made(device, [-100, 5, 6])),
    host: 'crossEntropy: labels holds 6; there are 6 classes',
    kernel: 'kernel SOFTMAX_CROSS_ENTROPY met the label 6; there are 6 classes',
  },
  {
    op: 'linearCrossEntropy',
    run: (device, made) => linearCrossEntropy(ones(device, [2, 3]), ones(device, [6, 3]), made(device, [5, -1])),
    host: 'linearCrossEntropy: labels holds -1; there are 6 classes',
    kernel: 'kernel SOFTMAX_CROSS_ENTROPY met the label -1; there are 6 classes',
  },
];

interface BrokenPlan {
  readonly what: string;
  readonly run: (device: Device) => unknown;
  readonly kernel: string;
  /** Whether the offsets are what is broken: the gpu device trusts those, since it checks the keys they come from. */
  readonly offsets?: true;
}

/** Plans that nobody should make by hand. */
const plan = (device: Device, changes: Partial<Record<'order' | 'offsets' | 'inverse', number[]>>): SegmentPlan => {
  const numbers = { order: [0, 1, 2, 3], offsets: [0, 2, 4], inverse: [0, 1, 2, 3], ...changes };
  return {
    keys: tensor(device, [0, 0, 1, 1], [4], 'i32'),
    counts: tensor(device, [2, 2], [2], 'i32'),
    offsets: tensor(device, numbers.offsets, [3], 'i32'),
    order: tensor(device, numbers.order, [4], 'i32'),
    inverse: tensor(device, numbers.inverse, [4], 'i32'),
    count: 4,
    segments: 2,
  };
};

const brokenPlans: readonly BrokenPlan[] = [
  {
    what: 'dispatchRows',
    run: (device) => dispatchRows(ones(device, [2, 3]), plan(device, { order: [0, 1, 2, 4] })),
    kernel: 'GATHER_ROWS met the index 2; there are 2 rows',
  },
  {
    what: 'combineRows',
    run: (device) => combineRows(ones(device, [4, 3]), ones(device, [2, 2]), plan(device, { inverse: [0, 4, 1, 2] })),
    kernel: 'GATHER_SUM met the position 4; there are 4 rows',
  },
  {
    what: 'segmentSum by order',
    run: (device) => segmentSum(ones(device, [2, 3]), plan(device, { order: [0, 5, 2, 1] })),
    kernel: 'SEGMENT_SUM met the index 2; there are 2 rows',
  },
  {
    what: 'segmentSum by offsets',
    run: (device) => segmentSum(ones(device, [2, 3]), plan(device, { offsets: [0, 2, 9] })),
    kernel: 'SEGMENT_SUM met the index 9; there are 5 rows or places',
    offsets: true,
  },
  {
    what: 'groupedLinear',
    run: (device) => groupedLinear(ones(device, [4, 3]), ones(device, [2, 5, 3]), plan(device, { offsets: [0, 2, 5] })),
    kernel: 'GROUPED_MATMUL met the offset 5; there are 5 places',
    offsets: true,
  },
];

const fromHost: Made = (device, numbers, shape = [numbers.length]) => tensor(device, numbers, shape, 'i32');
const fromDevice: Made = (device, numbers, shape = [numbers.length]) => cast(tensor(device, numbers, shape), 'i32');

onEveryDevice((device) => {
  it.each(misuses)('$op refuses what the host gave', ({ run, host }) => {
    scope(device(), () => {
      expect(() => run(device(), fromHost)).toThrow(RangeError);
      expect(() => run(device(), fromHost)).toThrow(host);
    });
  });

  it('knows what is in a tensor after it was reshaped, assigned and copied', async () => {
    const kept = state(device(), [2], 'i32');
    await scope(device(), async () => {
      const table = ones(device(), [4, 3]);
      const ids = tensor(device(), [1, 9], [2, 1], 'i32');
      expect(() => embedding(table, reshape(ids, [2]))).toThrow('ids holds 9');
      assign(kept, ids);
      expect(() => embedding(table, kept)).toThrow('ids holds 9');
      assign(kept, [3, 0]);
      expect([...(await embedding(table, kept).data())]).toEqual([1, 1, 1, 1, 1, 1]);
    });
    kept.dispose();
  });
});

const failing = async (device: Device, run: (device: Device) => unknown): Promise<unknown> => {
  try {
    return await scope(device, async () => {
      run(device);
      await device.synchronize();
    });
  } finally {
    await device.dispose();
  }
};

describe.each([0, 1, 3])('a wasm device of %i threads', (threads) => {
  it.each(misuses)('stops at an index that the device made: $op', async ({ run, kernel }) => {
    const device = await createWasmDevice({ threads });
    await expect(failing(device, () => run(device, fromDevice))).rejects.toThrow(kernel);
  });

  it.each(brokenPlans)('stops at a broken plan: $what', async ({ run, kernel }) => {
    await expect(failing(await createWasmDevice({ threads }), run)).rejects.toThrow(kernel);
  });
});

describe.each(hasWebGpu ? (['cpu', 'webgpu'] as const) : (['cpu'] as const))(
  `a gpu device in %s mode${webGpuNote}`,
  { timeout: 60_000 },
  (mode) => {
    it.each(misuses)('tells of an index that the device made: $op', async ({ run, kernel }) => {
      const device = await createGpuDevice({ mode });
      await expect(failing(device, () => compute(run(device, fromDevice)))).rejects.toThrow(kernel);
    });

    it.each(brokenPlans.filter(({ offsets }) => !offsets))('tells of a broken plan: $what', async ({ run, kernel }) => {
      await expect(failing(await createGpuDevice({ mode }), (device) => compute(run(device)))).rejects.toThrow(kernel);
    });

    it('tells whoever reads next, and refuses everything from then on', async () => {
      const device = await createGpuDevice({ mode });
      await scope(device, async () => {
        const [table, ids] = [ones(device, [4, 3]), fromDevice(device, [0, 4, 1])];
        await expect(embedding(table, ids).data()).rejects.toThrow('GATHER_ROWS met the index 4; there are 4 rows');
        expect(() => ones(device, [1])).toThrow('GATHER_ROWS met the index 4');
      });
      await device.dispose();
    });
  },
);

/** Reads nothing of a result, but lets the device compute it. */
function compute(result: unknown): void {
  if (result instanceof Tensor) result.data().catch(() => {});
}
