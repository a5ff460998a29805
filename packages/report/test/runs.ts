/** Runs on disk, as training leaves them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layersReport } from '@lpr/metrics';
import { balanceOf, readRun, type Run, RunFolder } from '@lpr/runs';
import { afterAll } from 'vitest';

/** A folder that is gone after the tests. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lpr-report-'));
  afterAll(() => rm(folder, { recursive: true }));
  return folder;
}

export interface SampleRun {
  /** Of the configuration. */
  readonly settings?: object;
  /** `[layers][experts]` of each logging window of 100 tokens, and of 200 held-out tokens. */
  readonly training?: readonly (readonly (readonly number[])[])[];
  readonly heldOut?: readonly (readonly number[])[] | null;
  readonly tokens?: number;
  /** Of the slowest of several ranks, in each window; of one process unless given. */
  readonly slowestLoad?: readonly number[];
}

export const EVEN = [
  [50, 50, 50, 50],
  [50, 50, 50, 50],
];
export const UNEVEN = [
  [200, 0, 0, 0],
  [100, 60, 40, 0],
];

/** Four experts in two layers; k is 1 unless the counts say otherwise. */
export async function writeRun(folder: string, sample: SampleRun = {}): Promise<Run> {
  const { settings = {}, training = [half(EVEN), half(UNEVEN)], heldOut = EVEN, tokens = 200, slowestLoad } = sample;
  const run = await RunFolder.create(folder, settings);
  const experts = training[0]?.[0]?.length ?? 4;
  const logs = await run.openLogs(0, { layers: 2, experts, topK: 1 });
  for (const [i, counts] of training.entries()) {
    const loss = 3 - i / 10;
    const line = {
      ...{
        step: 10 * (i + 1),
        tokens: 100 * (i + 1),
        loss,
        totalLoss: loss,
        learningRate: 1e-3,
        gradientNorm: 1,
        terms: {},
      },
      balance: balanceOf(layersReport(counts)),
      tokensPerSecond: 1000,
      phases: { router: 2 + i, experts: 5 },
      ...(slowestLoad && {
        ranks: { sentGradients: 5e6, sentTokens: 2e6, slowestLoad: slowestLoad[i]!, imbalance: 10 * slowestLoad[i]! },
      }),
      gradientNorms: { task: { router: 1, prototypes: 0.5, trunk: 2 } },
    };
    await logs.appendStep(line, { tokens: 100, counts });
  }
  if (heldOut !== null) {
    await logs.appendEvaluation({
      ...{ step: 10 * training.length, tokens: 100 * training.length, final: true, domains: {} },
      ...{ loss: 2.5, perplexity: Math.exp(2.5), evaluatedTokens: tokens },
      balance: heldOut.length === 0 ? null : balanceOf(layersReport(heldOut)),
      ...{ mutualInformation: 0.5, mutualInformationBias: 0.25, counts: heldOut.map((layer) => [...layer]) },
    });
  }
  await logs.close();
  await run.close();
  return await readRun(folder);
}

export function half(counts: readonly (readonly number[])[]): number[][] {
  return counts.map((layer) => layer.map((count) => count / 2));
}
