/**
 * One rank of the benchmark `ranks`, started by `mpirun` or alone: trains some steps, of which rank 0 tells the time.
 * Arguments: micro-batches of a step, 'ordered' or 'allReduce'.
 */
import { cpus } from 'node:os';
import { openCommunicator } from '@lpr/mpi';
import { createWasmDevice } from '@lpr/tensor';
import type { StepReport, Trainer } from '@lpr/train';
import type { RankReport } from './ranks.ts';
import { RANK_SIZE } from './ranks.ts';
import { trainerOf } from './step.ts';

const [accumulation, reduction] = process.argv.slice(2);
const communicator = await openCommunicator();
const { rank, size, local } = communicator;
const threads = Math.max(1, Math.floor(cpus().length / local));
const device = await createWasmDevice({ threads });
const trainer = await trainerOf(device, RANK_SIZE, Number(accumulation));
const team = { communicator, reduction: reduction === 'allReduce' ? ('allReduce' as const) : ('ordered' as const) };

async function record(): Promise<{ readonly report: Promise<StepReport> }> {
  return size === 1 ? { report: trainer.recordStep() } : await trainer.recordSharedStep(team);
}

/** The loss of the last step. */
async function train({ step: first }: Trainer, steps: number): Promise<number> {
  let before: Promise<StepReport> | null = null;
  while (trainer.step < first + steps) {
    const { report } = await record();
    await before;
    before = report;
  }
  return (await before!).loss;
}

await train(trainer, 2);
await communicator.barrier();
const start = performance.now();
const sentBefore = communicator.bytesSent;
const loss = await train(trainer, RANK_SIZE.steps);
await communicator.barrier();
const seconds = (performance.now() - start) / 1000 / RANK_SIZE.steps;
const report: RankReport = {
  seconds,
  sent: (communicator.bytesSent - sentBefore) / RANK_SIZE.steps,
  threads,
  loss,
  library: communicator.description,
};
if (rank === 0) process.stdout.write(`${JSON.stringify(report)}\n`);
await device.dispose();
communicator.finalize();
