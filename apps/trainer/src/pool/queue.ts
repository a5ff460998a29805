/** Runs that some places train at once, each place one after the other. */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { filesIn, isLocked } from '@lpr/runs';
import { failed, type Outcome, type PlannedRun } from './one-run.ts';

/** Where a run is trained at a time: this process, or a child of it. */
export interface Place {
  train(run: PlannedRun): Promise<Outcome>;
  close(): Promise<void>;
}

export interface QueueOptions {
  readonly signal: AbortSignal;
  /** Told of each run that ends, and once of each that another process works on. */
  readonly onOutcome: (run: PlannedRun, outcome: Outcome) => void;
}

/** Processes that a run may lose before it counts as failed: a lack of memory would end each. */
const MOST_LOSSES = 3;
/** Milliseconds between looks at runs that other processes work on. */
const PATIENCE = 250;

/**
 * Trains all runs, in their order. One that another process works on is waited for, and taken up where that leaves it;
 * one that fails does not stop the others.
 *
 * @returns what came of each, by its name; runs that were not begun when the signal came are not there
 */
export async function trainAll(
  runs: readonly PlannedRun[],
  places: readonly Place[],
  { signal, onOutcome }: QueueOptions,
): Promise<Map<string, Outcome>> {
  const waiting = [...runs];
  const outcomes = new Map<string, Outcome>();
  const losses = new Map<string, number>();
  const told = new Set<string>();
  let active = 0;

  const elsewhere = (run: PlannedRun): void => {
    waiting.push(run);
    if (told.has(run.name)) return;
    told.add(run.name);
    onOutcome(run, { kind: 'busy' });
  };
  const next = async (): Promise<PlannedRun | undefined> => {
    for (let looked = waiting.length; looked > 0; looked--) {
      const run = waiting.shift();
      if (run === undefined) return undefined;
      active++;
      if (!(await isLocked(filesIn(join(run.folder, run.name))))) return run;
      active--;
      elsewhere(run);
    }
    return undefined;
  };
  // One place after the other, or whoever has looked at its lock first would go first.
  let turn: Promise<unknown> = Promise.resolve();
  const take = async (): Promise<PlannedRun | undefined> => {
    const taken = turn.then(next);
    turn = taken.catch(() => {});
    return await taken;
  };
  const settle = async (run: PlannedRun, outcome: Outcome): Promise<void> => {
    if (outcome.kind === 'busy') {
      elsewhere(run);
      return;
    }
    if (outcome.kind === 'lost') {
      // It was asked to end before it had anything to save.
      if (signal.aborted) return;
      const lost = (losses.get(run.name) ?? 0) + 1;
      losses.set(run.name, lost);
      onOutcome(run, outcome);
      if (lost < MOST_LOSSES) {
        waiting.unshift(run);
        return;
      }
      const reason = `its process ended ${lost} times before it was finished (${outcome.reason}), as where memory runs out`;
      await settle(run, await failed(run, reason));
      return;
    }
    outcomes.set(run.name, outcome);
    onOutcome(run, outcome);
  };
  const work = async (place: Place): Promise<void> => {
    while (!signal.aborted) {
      const run = await take();
      if (run === undefined) {
        // One that another place trains may come back.
        if (waiting.length === 0 && active === 0) return;
        await setTimeout(PATIENCE, undefined, { signal }).catch(() => {});
        continue;
      }
      try {
        await settle(run, await place.train(run));
      } finally {
        active--;
      }
    }
  };
  try {
    await Promise.all(places.map(work));
  } finally {
    await Promise.all(places.map((place) => place.close()));
  }
  return outcomes;
}
