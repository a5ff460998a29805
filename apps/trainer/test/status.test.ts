import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunFolder } from '@lpr/runs';
import { afterAll, expect, it } from 'vitest';
import { resolveSettings } from '../src/settings/resolve.ts';
import { type RunStatus, statusOf } from '../src/sweep/status.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-status-'));
afterAll(() => rmSync(work, { recursive: true }));

const settings = resolveSettings({ preset: 'tiny', steps: 1000, config: [], set: [] });
const { training, data } = settings;
const stepTokens = training.accumulation * data.batchSize * data.sequenceLength;

/** The state of a run that is under way: so many steps in windows of some, as fast as `speedAt` says of a step. */
async function statusAt(steps: number, window: number, speedAt: (step: number) => number): Promise<RunStatus> {
  const run = await RunFolder.create(join(work, `run-${steps}-${window}`), settings);
  const logs = await run.openLogs(0, null);
  const norms = { loss: 1, totalLoss: 1, learningRate: 1e-3, gradientNorm: 1, terms: {} };
  for (let step = 1; step <= steps; step++) {
    const closes = step % window === 0;
    await logs.appendStep({
      ...{ step, tokens: step * stepTokens, ...norms },
      ...(closes && { tokensPerSecond: speedAt(step) }),
    });
  }
  const name = `run-${steps}-${window}`;
  const [status] = await statusOf(work, { runs: new Map([[name, settings]]), baseline: null, tables: new Map() });
  await logs.close();
  await run.close();
  return status!;
}

it('a run under way is as fast as its last windows were, however many tokens it has behind it', async () => {
  // It began on a slower machine, and has become faster within the last 200 steps.
  const { state, tokensPerSecond, secondsLeft } = await statusAt(605, 10, (step) =>
    step <= 405 ? 100 : step <= 500 ? 1000 : 2000,
  );
  expect(state).toBe('running');
  // Ten windows of ten steps each: those that end with the steps 410 to 500, and 510 to 600.
  const speed = (20 * 10) / ((10 * 10) / 1000 + (10 * 10) / 2000);
  expect(tokensPerSecond).toBeCloseTo(speed, 6);
  expect(secondsLeft).toBeCloseTo((395 * stepTokens) / speed, 6);
});

it('windows longer than those steps are told by the last one', async () => {
  expect((await statusAt(520, 250, (step) => step)).tokensPerSecond).toBeCloseTo(500, 6);
  expect((await statusAt(720, 250, (step) => step)).tokensPerSecond).toBeCloseTo(500, 6);
  expect((await statusAt(20, 250, (step) => step)).tokensPerSecond).toBeNull();
});
