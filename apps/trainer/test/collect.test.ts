import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layersReport } from '@lpr/metrics';
import { balanceOf, type EvaluationLine, readRun, RunFolder } from '@lpr/runs';
import { afterAll, describe, expect, it } from 'vitest';
import { collectResults } from '../src/comparison/collect.ts';
import { createComparison } from '../src/comparison/comparison.ts';
import { drawComparison } from '../src/comparison/pictures.ts';
import { PAPER_TABLES } from '../src/comparison/paper.ts';
import { resolveSettings } from '../src/settings/resolve.ts';
import type { Settings } from '../src/settings/schema.ts';

const root = await mkdtemp(join(tmpdir(), 'lpr-collect-'));
afterAll(() => rm(root, { recursive: true }));

const COUNTS = [
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

function settings(router: string, seed = 0): Settings {
  return resolveSettings({ preset: 'tiny', router, seed, config: [], set: ['size.experts=4', 'size.topK=1'] });
}

/** A run as training leaves it, with a test loss of its own. */
async function makeRun(
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

describe('the pictures of a comparison', () => {
  it('tell runs of one router apart', async () => {
    const folder = join(root, 'one-router');
    const seeds = [settings('lpr', 1), settings('lpr', 2)];
    for (const [i, config] of seeds.entries()) {
      await makeRun(join(folder, `run-${i}`), config, { loss: 5 + i, final: true });
    }
    const runs = await Promise.all(seeds.map((_, i) => readRun(join(folder, `run-${i}`))));
    const { written, missing } = await drawComparison(folder, runs, new Map());
    expect(written).toEqual(['figures/load-held-out.png', 'figures/curves.png']);
    expect(missing).toEqual([]);
    for (const path of written) expect(existsSync(join(folder, path))).toBe(true);
  });
});

describe('collected results', () => {
  it('are those of runs and comparisons, with all their measures and settings', async () => {
    const compared = new Map([
      ['top-k', settings('top-k', 1)],
      ['lpr', settings('lpr', 1)],
    ]);
    await createComparison(join(root, 'compare-1'), { runs: compared, tables: new Map() });
    for (const [i, name] of [...compared.keys()].entries()) {
      await makeRun(join(root, 'compare-1', name), compared.get(name)!, { loss: 5.123456789 + i, final: true });
    }
    await makeRun(join(root, 'corrected-2'), settings('lpr', 2), { loss: 5, final: true });

    const { runs, paper, when, machine } = await collectResults([join(root, 'compare-1'), join(root, 'corrected-2')]);
    expect(runs.map(({ name, title, seed }) => [name, title, seed])).toEqual([
      ['top-k', 'Qwen3-MoE', 1],
      ['lpr', 'Qwen3-MoE-LPR', 1],
      ['corrected', 'Qwen3-MoE-LPR', 2],
    ]);
    const { mean, worst } = balanceOf(layersReport(COUNTS));
    expect(runs[1]).toMatchObject({
      router: 'lpr',
      architecture: 'qwen3-moe',
      steps: 40,
      experts: 4,
      topK: 1,
      latentDim: 16,
      trainedTokens: 4000,
      evaluatedTokens: 10,
      testLoss: 6.123456789,
      mean,
      worst,
      mutualInformation: 0.5,
      mutualInformationBias: 0.25,
      tokensPerSecond: 123,
      settings: { seed: 1, 'size.experts': 4, 'lpr.latentDim': 16 },
    });
    expect(runs[1]!.samplingFloor.gini).toMatchObject({ low: expect.any(Number), mean: expect.any(Number) });
    expect(machine).toEqual({ cpu: 'AMD EPYC', node: 'v20.20.2', threads: 2 });
    expect(when).toMatch(/^\d{4}-\d\d-\d\d$/);
    // Routers side by side stand beside the paper's rows of their architecture.
    expect(paper).toHaveLength(1);
    expect(paper[0]!.rows[0]).toEqual({ title: 'Qwen3-MoE', run: null, ...PAPER_TABLES[1].rows[4]!.paper });
  });

  it('say what training took by where its tokens went, of runs that say what a token used', async () => {
    const usage = {
      activeParameters: 1000,
      flopsPerToken: 1e6,
      emptySlots: { dropped: 0, null: 0.125, inactive: 0 },
    };
    const config = settings('adamoe');
    await makeRun(join(root, 'new'), config, { loss: 5, final: true, usage });
    await makeRun(join(root, 'old'), config, { loss: 5, final: true });
    const { runs } = await collectResults([join(root, 'new'), join(root, 'old')]);
    // A held-out token went to one expert in either layer, a training token to a quarter less in the first.
    const { hidden, expertWidth } = config.size;
    const less = 0.25 * 2 * 3 * hidden * expertWidth;
    expect(runs[0]!.usage).toEqual(usage);
    expect(runs[0]!.trainingFlops).toBeCloseTo(3 * 4000 * (1e6 - less), 0);
    expect(runs[1]!.usage).toBeUndefined();
    expect(runs[1]!.trainingFlops).toBeNull();
  });

  it('of a reproduction name the run of each row', async () => {
    const names = PAPER_TABLES[6].rows.map((_, i) => `run ${i}`);
    const runs = new Map(names.map((name) => [name, settings('lpr')]));
    const folder = join(root, 'reproduce');
    await createComparison(folder, { runs, tables: new Map([[6, names]]) });
    for (const name of names) await makeRun(join(folder, name), settings('lpr'), { loss: 5, final: true });
    const { paper } = await collectResults([folder]);
    expect(paper.map(({ number, rows }) => [number, rows.map(({ run }) => run)])).toEqual([[6, names]]);
    await expect(collectResults([join(root, 'compare-1'), folder])).rejects.toThrow(
      'stands beside other tables of the paper',
    );
  });

  it('need runs that are finished', async () => {
    await makeRun(join(root, 'started'), settings('lpr'), { loss: 5, final: false });
    await expect(collectResults([join(root, 'started')])).rejects.toThrow('started is not finished; resume it first');
  });
});
