/** Runs and comparisons on disk as training leaves them, without training. */
import { join } from 'node:path';
import { layersReport } from '@lpr/metrics';
import { balanceOf, type EvaluationLine, RunFolder } from '@lpr/runs';
import { type Comparison, createComparison } from '../src/comparison/comparison.ts';
import { resolveSettings } from '../src/settings/resolve.ts';
import type { Settings } from '../src/settings/schema.ts';

/** Loads of two layers of four experts, as held-out text has them. */
export const COUNTS = [
  [4, 3, 2, 1],
  [10, 0, 0, 0],
];

/** Loads of two windows of training: 1 and 0.5 experts a token in the first layer, 1 and 1 in the second. */
const TRAINED = [
  [
    [500, 500, 500, 500],
    [2000, 0, 0, 0],
  ],
  [
    [500, 500, 0, 0],
    [0, 2000, 0, 0],
  ],
];

/** A tiny model of four experts, top-1. */
export function settings(router: string, seed = 0): Settings {
  return resolveSettings({ preset: 'tiny', router, seed, config: [], set: ['size.experts=4', 'size.topK=1'] });
}

/** A run as training leaves it, with a test loss of its own. */
export async function makeRun(
  path: string,
  config: Settings,
  { loss, final, usage }: { loss: number; final: boolean } & Pick<EvaluationLine, 'usage'>,
): Promise<void> {
  const run = await RunFolder.create(path, config);
  const where = { node: 'v20.20.2', platform: 'linux x64', cpu: 'AMD EPYC', cores: 2, device: 'wasm', threads: 2 };
  await run.recordEnvironment({ ...where, packages: {} });
  const logs = await run.openLogs(0, { layers: 2, experts: 4, topK: 1 });
  const norms = { learningRate: 1e-3, gradientNorm: 1, terms: {} };
  const step = { loss, totalLoss: loss, ...norms };
  await logs.appendStep({ step: 20, tokens: 2000, ...step }, { tokens: 2000, counts: TRAINED[0]! });
  await logs.appendStep(
    { step: 40, tokens: 4000, tokensPerSecond: 123.25, ...step },
    { tokens: 2000, counts: TRAINED[1]! },
  );
  await logs.appendEvaluation({
    step: 40,
    tokens: 4000,
    final,
    domains: {},
    loss,
    perplexity: Math.exp(loss),
    evaluatedTokens: 10,
    balance: balanceOf(layersReport(COUNTS)),
    mutualInformation: 0.5,
    mutualInformationBias: 0.25,
    ...(usage && { usage }),
    counts: COUNTS,
  });
  await logs.close();
  await run.close();
}

/** A comparison on disk whose runs have test losses by their names. */
export async function makeComparison(
  folder: string,
  comparison: Comparison,
  losses: Record<string, number>,
): Promise<void> {
  await createComparison(folder, comparison);
  for (const [name, config] of comparison.runs) {
    await makeRun(join(folder, name), config, { loss: losses[name] ?? 5, final: true });
  }
}

/** Two blocks, whose losses differ from the mean by so much. */
export async function addBlocks(path: string, loss: number, spread: number): Promise<void> {
  const run = await RunFolder.open(path);
  const blocks = [loss - spread, loss + spread].map((mean) => ({
    ...{ domain: 'text', weight: 1, tokens: 5, loss: 5 * mean, counts: COUNTS },
  }));
  await run.writeBlocks({ step: 40, blocks });
  await run.close();
}
