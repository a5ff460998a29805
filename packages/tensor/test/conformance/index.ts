/**
 * One conformance suite for all devices. The table has a suite for every op that the package exports: an op without one
 * does not compile, and one whose kernels no case reaches fails. A device conforms when `checks` of every op pass on
 * it.
 */
import * as fc from 'fast-check';
import type { Device } from '../../src/devices/device.ts';
import type * as api from '../../src/index.ts';
import { checkExtreme, checkOp } from '../support/check.ts';
import { attention } from './attention.ts';
import { creation } from './creation.ts';
import { crossEntropy } from './cross-entropy.ts';
import { elementwise } from './elementwise.ts';
import { exchange } from './exchange.ts';
import { gather } from './gather.ts';
import { groupedMatmul } from './grouped-matmul.ts';
import { matmul } from './matmul.ts';
import { movement } from './movement.ts';
import { norm } from './norm.ts';
import { optimizer } from './optimizer.ts';
import { random } from './random.ts';
import { reduce } from './reduce.ts';
import { rope } from './rope.ts';
import { segments } from './segments.ts';
import { softmax } from './softmax.ts';
import { swiglu } from './swiglu.ts';
import { topk } from './topk.ts';
import type { OpSuite } from './suite.ts';

/** What the package exports beside ops. */
export const NOT_OPS = [
  'HostNumbers',
  'RandomKey',
  'Tensor',
  'adamWPackedStep',
  'addToGradient',
  'atOnce',
  'awaited',
  'backward',
  'backwardPausing',
  'createDevice',
  'createGpuDevice',
  'createWasmDevice',
  'exchangeRows',
  'hostNumbers',
  'keep',
  'labelledPausing',
  'packMoments',
  'parameter',
  'pauseFor',
  'pausingScope',
  'philox4x32',
  'receiveInto',
  'scope',
  'sizeOf',
  'state',
  'unpackMoments',
] as const satisfies readonly (keyof typeof api)[];

export type OpName = Exclude<keyof typeof api, (typeof NOT_OPS)[number]>;

export const suites: Readonly<Record<OpName, OpSuite>> = {
  ...creation,
  ...elementwise,
  ...movement,
  ...reduce,
  ...matmul,
  ...groupedMatmul,
  ...norm,
  ...softmax,
  ...swiglu,
  ...rope,
  ...attention,
  ...crossEntropy,
  ...topk,
  ...gather,
  ...exchange,
  ...segments,
  ...random,
  ...optimizer,
};

export const opNames = Object.keys(suites) as OpName[];

/** A part of the suite of an op. */
export interface Check {
  readonly title: string;
  /** Throws when the device does not conform. */
  readonly run: (device: Device) => Promise<void>;
}

/**
 * What an op must pass on a device. `runs` says how many cases of any shape are tried: a third on GPUs, which compile
 * kernels for each.
 */
export function checks(name: OpName, runs: number): readonly Check[] {
  const { awkward, any, extreme, gradients } = suites[name];
  return [
    {
      title: 'awkward shapes: values, gradients, memory',
      run: async (device) => {
        for (const [i, testCase] of awkward.entries()) await named(i, checkOp(device, testCase, gradients));
      },
    },
    {
      title: 'any shape: values, gradients, memory',
      run: async (device) => {
        const property = fc.asyncProperty(any, async (testCase) => await checkOp(device, testCase, gradients));
        await fc.assert(property, { numRuns: device.kind === 'gpu' ? Math.ceil(runs / 3) : runs });
      },
    },
    {
      title: 'zeros, denormals, huge numbers, infinities, NaN',
      run: async (device) => {
        for (const [i, testCase] of extreme.entries()) await named(i, checkExtreme(device, testCase));
      },
    },
  ];
}

async function named(index: number, check: Promise<void>): Promise<void> {
  try {
    await check;
  } catch (error) {
    throw new Error(`case ${index}: ${(error as Error).message}`, { cause: error });
  }
}
