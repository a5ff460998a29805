/** Runs that were made longer, after they had ended or before. */
import { join } from 'node:path';
import { type Batch, evaluationBatches } from '@lpr/data';
import { readEvaluations, readMetrics, RunFolder } from '@lpr/runs';
import { describe, expect, it, vi } from 'vitest';
import type { RunOptions, RunResult } from '../src/run.ts';
import { learningRateFactor, makeSchedule } from '../src/schedule.ts';
import type { TrainerOptions } from '../src/trainer.ts';
import { tokens } from './models.ts';
import { decidedIn, placeOfTests, trainIn } from './runs.ts';

// Whole runs, on machines that may be busy.
vi.setConfig({ testTimeout: 60_000 });

const place = placeOfTests();

const text = (): Iterable<Batch> => evaluationBatches(tokens, 4, 8, 160);
const evaluation = { batches: text, every: null };

const scheduleOf = (steps: number): TrainerOptions['schedule'] =>
  makeSchedule({ kind: 'warmupStableDecay', warmup: 0.2, stable: 0.4, decay: 'linear', minRatio: 0.1 }, steps);

/** Seven steps, which end within a window and between two checkpoints. */
const SHORT = 7;

async function train(name: string, options: Partial<RunOptions>, training: Partial<TrainerOptions>) {
  const calibration = { rounds: 2, batches: text };
  return await trainIn(place, name, { evaluation, calibration, ...options }, undefined, training, 'corrected');
}

async function trainShort(name: string): Promise<RunResult> {
  return await train(name, { steps: SHORT }, { schedule: scheduleOf(SHORT) });
}

async function trainLong(name: string, until: number, options: Partial<RunOptions> = {}): Promise<RunResult> {
  return await train(
    name,
    { steps: 12, earlierEnds: until === SHORT ? [SHORT] : [], ...options },
    { schedule: scheduleOf(12), earlier: [{ until, schedule: scheduleOf(SHORT) }] },
  );
}

async function reopen(name: string): Promise<void> {
  const run = await RunFolder.open(join(place.root, name));
  await run.reopen();
  await run.close();
}

/** Stops a run once a step is done. */
function stoppedAt(step: number): Partial<RunOptions> {
  const controller = new AbortController();
  const onStep: RunOptions['onStep'] = ({ report }) => {
    if (report.step === step) controller.abort();
  };
  return { onStep, signal: controller.signal };
}

describe('a run that is made longer', () => {
  it('goes on from its end with the longer schedule, and keeps the evaluation there', async () => {
    await trainShort('run');
    const [end] = await readEvaluations(join(place.root, 'run'));
    expect(end).toMatchObject({ step: SHORT, final: true });
    await reopen('run');
    expect(await readEvaluations(join(place.root, 'run'))).toEqual([]);
    expect(await trainLong('run', SHORT)).toMatchObject({ step: 12, finished: true });
    const evaluations = await readEvaluations(join(place.root, 'run'));
    expect(evaluations[0]).toEqual({ ...end, final: false });
    expect(evaluations.map(({ step, final }) => [step, final])).toEqual([
      [SHORT, false],
      [12, true],
    ]);
    const rates = (await readMetrics(join(place.root, 'run'))).map(({ learningRate }) => learningRate);
    const factors = Array.from({ length: 12 }, (_, i) => learningRateFactor(scheduleOf(i < SHORT ? SHORT : 12), i));
    expect(rates).toEqual(factors.map((factor) => 0.01 * factor));
  });

  it('has the same bits when it is stopped anywhere, or repeated from the first step', async () => {
    await trainShort('run');
    await reopen('run');
    await trainLong('run', SHORT);
    await trainLong('at once', SHORT);
    expect(await decidedIn(place.root, 'at once')).toEqual(await decidedIn(place.root, 'run'));
    for (const step of [3, SHORT, 9]) {
      const name = `stopped-${step}`;
      expect((await trainLong(name, SHORT, stoppedAt(step))).finished).toBe(false);
      expect((await trainLong(name, SHORT)).finished).toBe(true);
      expect(await decidedIn(place.root, name)).toEqual(await decidedIn(place.root, 'run'));
    }
  });

  it('saves nothing that is calibrated by half where it had ended', async () => {
    await trainLong('whole', SHORT);
    const controller = new AbortController();
    const batches = function* (): Generator<Batch> {
      for (const batch of text()) {
        yield batch;
        controller.abort();
      }
    };
    const stopped = await trainLong('stopped', SHORT, {
      calibration: { rounds: 2, batches },
      signal: controller.signal,
    });
    expect(stopped).toMatchObject({ step: SHORT, finished: false });
    expect((await trainLong('stopped', SHORT)).finished).toBe(true);
    expect(await decidedIn(place.root, 'stopped')).toEqual(await decidedIn(place.root, 'whole'));
  });

  it('may be one that had not ended', async () => {
    await train('run', { steps: SHORT, ...stoppedAt(3) }, { schedule: scheduleOf(SHORT) });
    const { length: until } = await readMetrics(join(place.root, 'run'));
    expect(until).toBeLessThan(SHORT);
    await trainLong('run', until);
    await trainLong('at once', until);
    expect(await decidedIn(place.root, 'at once')).toEqual(await decidedIn(place.root, 'run'));
    expect((await readEvaluations(join(place.root, 'run'))).map(({ step }) => step)).toEqual([12]);
  });
});
