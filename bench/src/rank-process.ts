/**
 * One rank of the benchmark `ranks`, started by `mpirun` or alone: trains some steps, of which rank 0 tells the time.
 * Arguments: micro-batches of a step, 'ordered', 'allReduce' or 'own' (ordered, with some experts each).
 */
import { cpus } from 'node:os';
import { type Channel, openCommunicator } from '@lpr/mpi';
import { createWasmDevice, HostNumbers } from '@lpr/tensor';
import { ExpertExchange, type StepReport, type Trainer } from '@lpr/train';
import type { RankReport } from './ranks.ts';
import { RANK_SIZE } from './ranks.ts';
import { trainerOf } from './own-step.ts';

const [accumulation, mode] = process.argv.slice(2);
const communicator = await openCommunicator();
const { rank, size, local, beside } = communicator;
const threads = Math.max(1, Math.floor(cpus().length / local));
const device = await createWasmDevice({ threads });
const experts = mode === 'own' ? new ExpertExchange(beside) : null;
const trainer = trainerOf(device, RANK_SIZE, Number(accumulation), experts);
const reduction = mode === 'allReduce' ? 'allReduce' : 'ordered';
const team = { communicator, experts, reduction } as const;

async function record(): Promise<{ readonly report: Promise<StepReport> }> {
  return size === 1 ? { report: trainer.recordStep() } : await trainer.recordSharedStep(team);
}

async function train({ step: first }: Trainer, steps: number): Promise<StepReport[]> {
  const reports: StepReport[] = [];
  let before: Promise<StepReport> | null = null;
  while (trainer.step < first + steps) {
    const { report } = await record();
    if (before !== null) reports.push(await before);
    before = report;
  }
  return [...reports, await before!];
}

/** Seconds of an exchange in which each rank sends so many numbers to each; of several the median. */
async function exchangeTime(channel: Channel, numbers: number): Promise<number> {
  const counts = Array.from({ length: size }, () => numbers);
  const [send, into] = [new Float32Array(size * numbers), new Float32Array(size * numbers)];
  const times: number[] = [];
  for (let i = 0; i < 9; i++) {
    await channel.barrier();
    const start = performance.now();
    await channel.allToAllV(send, counts, into, counts);
    times.push((performance.now() - start) / 1000);
  }
  return times.toSorted((a, b) => a - b)[4]!;
}

/** Bytes a second from and to memory, of the sums of a message, as training adds them up; of several the median. */
async function memorySpeed(): Promise<number> {
  const LENGTH = 2 ** 21;
  const sum = new HostNumbers(device, LENGTH);
  const arrived = [new Float32Array(LENGTH), new Float32Array(LENGTH)];
  sum.numbers.fill(0);
  const times: number[] = [];
  for (let i = 0; i < 9; i++) {
    await communicator.barrier();
    const start = performance.now();
    sum.setSum(0, LENGTH, [sum.numbers, ...arrived]);
    times.push((performance.now() - start) / 1000);
  }
  sum.dispose();
  // Three terms are read and a sum is written.
  return (4 * 4 * LENGTH) / times.toSorted((a, b) => a - b)[4]!;
}

await train(trainer, 2);
await communicator.barrier();
const start = performance.now();
const reports = await train(trainer, RANK_SIZE.steps);
await communicator.barrier();
const seconds = (performance.now() - start) / 1000 / RANK_SIZE.steps;
const mean = (of: (report: StepReport) => number): number =>
  reports.reduce((sum, report) => sum + of(report), 0) / reports.length;
const LARGE = 2 ** 18;
const [small, large] = [await exchangeTime(beside, 1), await exchangeTime(beside, LARGE)];
const report: RankReport = {
  seconds,
  sentGradients: mean(({ ranks }) => ranks?.sentGradients ?? 0),
  sentTokens: mean(({ ranks }) => ranks?.sentTokens ?? 0),
  load: experts === null ? null : mean(({ ranks }) => ranks!.slowestLoad!),
  imbalance: experts === null ? null : mean(({ ranks }) => ranks!.imbalance!) / 1000,
  latency: small / Math.max(1, size - 1),
  bandwidth: (4 * LARGE * Math.max(1, size - 1)) / Math.max(large - small, 1e-9),
  memory: await memorySpeed(),
  threads,
  loss: reports.at(-1)!.loss,
  library: communicator.description,
};
if (rank === 0) process.stdout.write(`${JSON.stringify(report)}\n`);
await device.dispose();
communicator.finalize();
