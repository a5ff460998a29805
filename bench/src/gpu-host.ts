/**
 * What the host does for a GPU, on Dawn's null backend, which checks launches and computes nothing: launches of a
 * training step, the processor's time for them, and the path of a launch by itself. Runs on any machine.
 */
import type { Table } from '@lpr/results';
import { createGpuDevice, type GpuDevice } from '@lpr/tensor';
import { create } from 'webgpu';
import { type Size, SIZES, trainerOf } from './own-step.ts';

/** Steps of a turn, of which the median counts. */
const STEPS = 10;
const TURNS = 3;

/** Launches that follow one another, for the path alone. */
const CHAIN = 4096;

/** Works on a GPU that computes nothing: what is read from it is zeros. */
async function onNullBackend<Result>(work: (device: GpuDevice) => Promise<Result>): Promise<Result> {
  const scope = globalThis as { navigator?: object };
  const before = Object.getOwnPropertyDescriptor(scope, 'navigator');
  Object.defineProperty(scope, 'navigator', { value: { gpu: create(['backend=null']) }, configurable: true });
  try {
    const device = await createGpuDevice({ allowSoftware: true });
    const read = device.read.bind(device);
    device.read = async (buffer) => new ArrayBuffer((await read(buffer)).byteLength);
    try {
      return await work(device);
    } finally {
      await device.dispose();
    }
  } finally {
    if (before === undefined) delete scope.navigator;
    else Object.defineProperty(scope, 'navigator', before);
  }
}

/** Milliseconds of processor time that work took. */
async function processorTime(work: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

async function stepRow(name: string, size: Size): Promise<Table['rows'][number]> {
  return await onNullBackend(async (device) => {
    const trainer = trainerOf(device, size);
    const first = await processorTime(() => trainer.recordStep());
    await trainer.recordStep();
    const before = device.statistics.launches;
    const times: number[] = [];
    for (let turn = 0; turn < TURNS; turn++) {
      const time = await processorTime(async () => {
        for (let step = 0; step < STEPS; step++) await trainer.recordStep();
      });
      times.push(time / STEPS);
    }
    const { launches: after, programs } = device.statistics;
    const launches = (after - before) / (TURNS * STEPS);
    const host = times.toSorted((a, b) => a - b)[Math.floor(TURNS / 2)]!;
    return {
      what: `a step of ${name}, ${size.batch * size.sequence} tokens`,
      launches,
      host,
      each: (1000 * host) / launches,
      programs,
      first,
    };
  });
}

/** Launches that each read what the one before wrote. */
async function pathRow(): Promise<Table['rows'][number]> {
  return await onNullBackend(async (device) => {
    const buffer = device.allocate(64);
    device.write(buffer, new Float32Array(64));
    const chain = async (): Promise<void> => {
      for (let i = 0; i < CHAIN; i++) device.kernels.softmax({ x: buffer, out: buffer, rows: 4, columns: 16 });
      await device.synchronize();
    };
    await chain();
    const host = Math.min(await processorTime(chain), await processorTime(chain));
    const { programs } = device.statistics;
    return {
      what: `${CHAIN} small launches, each after the other`,
      launches: CHAIN,
      host,
      each: (1000 * host) / CHAIN,
      programs,
    };
  });
}

/** The null backend holds little: sizes beyond S do not fit it. */
export async function hostTable(): Promise<Table> {
  return {
    title: 'What a GPU costs the host, on a backend that computes nothing',
    columns: [
      { key: 'what', title: 'what' },
      { key: 'launches', title: 'launches', decimals: 0 },
      { key: 'host', title: 'CPU time, ms', decimals: 1 },
      { key: 'each', title: 'CPU time a launch, us', decimals: 1 },
      { key: 'programs', title: 'kernels', decimals: 0 },
      { key: 'first', title: 'CPU time of the first step, ms', decimals: 0 },
    ],
    rows: [await stepRow('S', SIZES['S']!), await pathRow()],
    notes: [
      'A launch of a step has its part of ops and gradients in it. Eight buffers to a launch; more merge further.',
    ],
  };
}
