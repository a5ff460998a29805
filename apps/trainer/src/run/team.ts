/** Training of one run by several ranks: what they need, and how rank 0 tells the others of it. */
import { broadcastText, type Communicator } from '@lpr/mpi';
import { textSum } from '@lpr/runs';
import { ExpertExchange, type Team } from '@lpr/train';
import { UsageError } from '../cli/errors.ts';
import { joinRanks } from '../cli/ranks.ts';
import type { Settings } from '../settings/schema.ts';
import type { Session } from './session.ts';

/** A run as rank 0 tells the others of it, who need not see its folder. */
export interface Announcement {
  readonly settings: Settings;
  readonly folder: string;
  /** SHA-256 of its text. */
  readonly text: string;
}

/** That no run comes any more. */
export interface End {
  readonly exitCode: number;
}

/** @throws UsageError where the ranks cannot share the micro-batches of a step out evenly */
export function checkShares({ training, data }: Settings, { size }: Pick<Communicator, 'size'>): void {
  const { accumulation } = training;
  if (accumulation % size === 0) return;
  const sequences = accumulation * data.batchSize;
  const advice =
    sequences % size === 0
      ? `--set training.accumulation=${size} --set data.batchSize=${sequences / size} has as many sequences a step (${sequences})`
      : `with data.batchSize=${data.batchSize} a step has ${sequences} sequences`;
  throw new UsageError(
    `training.accumulation: got ${accumulation}, expected a multiple of ${size}: the ${size} ranks share the batches of a step out evenly; ${advice}`,
  );
}

/** @throws UsageError where runs are to be trained beside each other, and ranks train one together */
export async function checkParallel(parallel: number): Promise<void> {
  const { size } = await joinRanks();
  if (parallel === 1 || size === 1) return;
  throw new UsageError(
    `--parallel ${parallel}: mpirun started ${size} ranks, which train one run after the other together; leave it out`,
  );
}

/** Has the other ranks take part in a run, whose folder has its tokenizer; null where there are none. */
export async function announceRun(
  { communicator, tokens }: Session,
  settings: Settings,
  folder: string,
  experts: ExpertExchange | null,
): Promise<Team | null> {
  if (communicator.size === 1) return null;
  const announcement: Announcement = { settings, folder, text: textSum(tokens) };
  await broadcastText(communicator, JSON.stringify(announcement));
  return teamOf(communicator, settings, experts);
}

/**
 * Tells the other ranks that nothing more comes, and what they end with: a launcher may hand on the exit code of any
 * rank.
 */
export async function announceEnd(communicator: Communicator, exitCode: number): Promise<void> {
  await broadcastText(communicator, JSON.stringify({ exitCode } satisfies End));
}

/** What rank 0 says next, on the side of the others. */
export async function nextAnnouncement(communicator: Communicator): Promise<Announcement | End> {
  return JSON.parse(await broadcastText(communicator, '')) as Announcement | End;
}

/** How the ranks of a communicator reach each other's experts; null where each has all. */
export function exchangeOf(communicator: Communicator, { training }: Settings): ExpertExchange | null {
  return communicator.size > 1 && training.expertParallel === true ? new ExpertExchange(communicator.beside) : null;
}

/** The ranks of a communicator, as the settings of a run have them add up gradients. */
export function teamOf(communicator: Communicator, { training }: Settings, experts: ExpertExchange | null): Team {
  return {
    communicator,
    experts,
    reduction: training.reduction ?? 'ordered',
    onFailure: (error) => {
      console.error(`error: rank ${communicator.rank}: ${error instanceof Error ? error.message : String(error)}`);
      communicator.abort(1);
    },
  };
}
