/** `pnpm trainer eval`: the figures of a run's newest checkpoint. */
import { join } from 'node:path';
import { layersReport } from '@lpr/metrics';
import { readComparison } from '../comparison.ts';
import { UsageError } from '../errors.ts';
import { loadRun } from '../runs.ts';
import { evaluateHeldOut } from '../session.ts';
import { readSettings } from '../settings/check.ts';
import type { Settings } from '../settings/schema.ts';
import { inSession } from './shared.ts';

export interface EvalOptions {
  readonly tokens?: number;
  readonly threads?: number;
}

export async function evaluateRun(folder: string, { tokens, threads }: EvalOptions): Promise<void> {
  const comparison = await readComparison(folder);
  if (comparison !== null) {
    const runs = Array.from(comparison.keys(), (name) => join(folder, name));
    throw new UsageError(`${folder} is a comparison; name one of its runs: ${runs.join(', ')}`);
  }
  const stored = await readSettings(folder);
  const settings: Settings = {
    ...stored,
    ...(threads === undefined ? {} : { threads }),
    evaluation: { ...stored.evaluation, ...(tokens === undefined ? {} : { tokens }) },
  };
  await inSession(settings, folder, async (session) => {
    const { decoder, step } = await loadRun(session, folder, settings);
    const figures = await evaluateHeldOut(session, decoder, settings, folder);
    const { mean, worst } = layersReport(figures.counts);
    session.progress.end();
    const { tokens: evaluationTokens, loss: testLoss, mutualInformation, mutualInformationBias } = figures;
    const counts = figures.counts.map((layer) => Array.from(layer));
    console.log(
      JSON.stringify({
        step,
        evaluationTokens,
        testLoss,
        mean,
        worst,
        mutualInformation,
        mutualInformationBias,
        counts,
      }),
    );
    return true;
  });
}
