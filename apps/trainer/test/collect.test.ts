import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layersReport } from '@lpr/metrics';
import { predictFlops } from '@lpr/model';
import { balanceOf, type EvaluationLine, RunFolder } from '@lpr/runs';
import { shareSettings, withSharedSettings } from '@lpr/results';
import { afterAll, describe, expect, it } from 'vitest';
import { collectResults } from '../src/comparison/collect.ts';
import { type Comparison, createComparison, readComparison } from '../src/comparison/comparison.ts';
import { drawComparison } from '../src/comparison/pictures.ts';
import { PAPER_TABLES } from '../src/comparison/paper.ts';
import { comparisonReport } from '../src/comparison/results.ts';
import { readFinished, summaryOf } from '../src/comparison/summary.ts';
import { decoderConfig } from '../src/settings/decoder-config.ts';
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

/** A comparison on disk whose runs have test losses by their names. */
async function makeComparison(folder: string, comparison: Comparison, losses: Record<string, number>): Promise<void> {
  await createComparison(folder, comparison);
  for (const [name, config] of comparison.runs) {
    await makeRun(join(folder, name), config, { loss: losses[name] ?? 5, final: true });
  }
}

/** Two blocks, whose losses differ from the mean by so much. */
async function addBlocks(path: string, loss: number, spread: number): Promise<void> {
  const run = await RunFolder.open(path);
  const blocks = [loss - spread, loss + spread].map((mean) => ({
    ...{ domain: 'text', weight: 1, tokens: 5, loss: 5 * mean, counts: COUNTS },
  }));
  await run.writeBlocks({ step: 40, blocks });
  await run.close();
}

it('stores of a file the name, not where it lies on this machine', async () => {
  const sources = `data.sources=[{type: text, paths: [${join(root, 'talks', 'a.txt')}, "b/*.txt"]}]`;
  const config = resolveSettings({ preset: 'tiny', config: [], set: [sources, 'size.experts=4', 'size.topK=1'] });
  await makeRun(join(root, 'own-text-0'), config, { loss: 5, final: true });
  const { runs } = await collectResults([join(root, 'own-text-0')]);
  expect(runs[0]!.settings['data.sources']).toContain('"paths":["a.txt",');
  expect(JSON.stringify(runs)).not.toContain(root);
});

describe('a comparison of several seeds', () => {
  const seeds = [0, 1, 5];
  const comparison: Comparison = {
    runs: new Map(
      seeds.flatMap((seed) => ['top-k', 'lpr'].map((router) => [`${router}-${seed}`, settings(router, seed)] as const)),
    ),
    baseline: 'top-k',
    tables: new Map(),
  };
  const losses = { 'top-k-0': 5, 'top-k-1': 5.5, 'top-k-5': 6, 'lpr-0': 4.75, 'lpr-1': 5.25, 'lpr-5': 5.75 };

  it('is read, summed up and printed by settings, in pairs of a seed', async () => {
    const folder = join(root, 'seeds');
    await makeComparison(folder, comparison, losses);
    expect(await readComparison(folder)).toEqual(comparison);
    const { runs, models, results } = await readFinished(folder, comparison);
    expect(results.map(({ name, seed, title }) => [name, seed, title])).toEqual(
      seeds.flatMap((seed) => [
        ['top-k', seed, 'Qwen3-MoE'],
        ['lpr', seed, 'Qwen3-MoE-LPR'],
      ]),
    );
    const { settings: known } = summaryOf(comparison, models, results);
    const error = expect.closeTo((4.3027 * 0.5) / Math.sqrt(3), 3);
    expect(known).toMatchObject([
      { name: 'top-k', runs: ['top-k-0', 'top-k-1', 'top-k-5'], seeds, errorsOf: 'seeds', differences: {} },
      {
        name: 'lpr',
        estimates: { testLoss: { mean: 5.25, error }, information: { mean: 0.25, error: 0 } },
        differences: { 'top-k': { testLoss: { mean: -0.25, error: 0 }, gini: { mean: 0, error: 0 } } },
      },
    ]);
    const report = comparisonReport(comparison, { models }, results);
    expect(report).toContain('means over 3 seeds (0, 1, 5)');
    expect(report).toContain('5.5000 ± 1.2421');
    expect(report).toMatch(/Less Qwen3-MoE, in pairs of a seed\nQwen3-MoE-LPR +-0\.2500 ± 0\.0000/);

    const { written, missing } = await drawComparison(folder, comparison, runs, results);
    const pictures = [
      ...['load-held-out', 'curves', 'loss-tokens-held-out', 'loss-tokens-training'],
      ...['specialisation-balance', 'parallel-coordinates'],
    ];
    expect(written).toEqual(pictures.map((name) => `figures/${name}.png`));
    expect(missing).toEqual([]);
    for (const path of written) expect(existsSync(join(folder, path))).toBe(true);

    const collected = await collectResults([folder]);
    expect(collected.runs).toEqual(results);
  });

  it('has intervals of the text where there is one seed, paired by its blocks', async () => {
    const folder = join(root, 'one-seed');
    const one = { ...comparison, runs: new Map(['top-k', 'lpr'].map((router) => [router, settings(router)])) };
    await makeComparison(folder, one, { lpr: 4.75 });
    const { results: without } = await readFinished(folder, one);
    expect(without.map(({ bootstrap }) => bootstrap)).toEqual([undefined, undefined]);
    await addBlocks(join(folder, 'top-k'), 5, 0.5);
    await addBlocks(join(folder, 'lpr'), 4.75, 0.5);
    const { models, results } = await readFinished(folder, one);
    const [topK, lpr] = results.map(({ bootstrap }) => bootstrap!);
    // Of two blocks 12.706 times half their distance, with the error of 500 draws.
    expect(topK!.errors['testLoss']! / (12.706 * 0.5)).toBeCloseTo(1, 0.9);
    expect([topK!.differences, topK!.errors['gini'], topK!.errors['information']]).toEqual([{}, 0, undefined]);
    expect(lpr!.differences['top-k']!['testLoss']).toEqual({ mean: -0.25, error: 0 });
    expect(comparisonReport(one, { models }, results)).toMatch(
      /Less Qwen3-MoE, on the same text\nQwen3-MoE-LPR +-0\.2500 ± 0\.0000/,
    );
    expect(summaryOf(one, models, results).settings.map(({ errorsOf }) => errorsOf)).toEqual(['blocks', 'blocks']);

    // Blocks that are alike leave nothing to chance; where one is turned, each run has a floor of its own.
    const lprFolder = join(folder, 'lpr');
    const turned = COUNTS.map((loads) => loads.toReversed());
    const run = await RunFolder.open(lprFolder);
    const block = { domain: 'text', weight: 1, tokens: 5, loss: 25 };
    await run.writeBlocks({ step: 40, blocks: [COUNTS, turned].map((counts) => ({ ...block, counts })) });
    await run.close();
    const { runs } = await collectResults([folder]);
    expect(runs.map(({ textFloor }) => textFloor?.gini)).toEqual([
      { mean: 0, low: 0, high: 0 },
      // Either block twice in place of both: 8, 6, 4, 2 in the first layer, 15, 5, 5 and none below zero in the second.
      expect.objectContaining({ mean: expect.closeTo((0.25 + 0.45) / 2, 9) }),
    ]);
    expect(Object.keys(runs[1]!.textFloor!)).toEqual(['gini', 'minMax', 'maxViolation']);
    const [alone] = (await collectResults([lprFolder])).runs;
    expect(alone!.textFloor).toEqual(runs[1]!.textFloor);
    expect((await collectResults([join(root, 'seeds')])).runs[0]!.textFloor).toBeUndefined();
  });
});

describe('collected results', () => {
  it('are no seeds of one setting where they differ in more', async () => {
    const [one, further] = [settings('top-k'), settings('top-k', 2)];
    const wider = { ...settings('top-k', 1), size: { ...one.size, experts: 8 } };
    const elsewhere = {
      ...further,
      threads: 3,
      data: { ...one.data, sources: [{ type: 'text' as const, paths: ['x'] }] },
    };
    const paths = ['width-0', 'width-1', 'width-2'].map((name) => join(root, name)) as [string, string, string];
    for (const [i, config] of [one, wider, elsewhere].entries()) {
      await makeRun(paths[i]!, config, { loss: 5, final: true });
    }
    const { runs } = await collectResults([paths[0], paths[2]]);
    expect(runs.map(({ name, seed }) => [name, seed])).toEqual([
      ['width', 0],
      ['width', 2],
    ]);
    await expect(collectResults([paths[0], paths[1]])).rejects.toThrow(
      `${paths[1]}: size.experts of width is 8, but 4 in the run of that name and another seed before it`,
    );
  });

  it('are those of runs and comparisons, with all their measures and settings', async () => {
    const compared = new Map([
      ['top-k', settings('top-k', 1)],
      ['lpr', settings('lpr', 1)],
    ]);
    await createComparison(join(root, 'compare-1'), { runs: compared, baseline: 'top-k', tables: new Map() });
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
    const { paper: reported } = PAPER_TABLES[1].rows[4]!;
    expect(paper[0]!.rows[0]).toEqual({ title: 'Qwen3-MoE', baseline: null, runs: {}, ...reported });
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

  it('count the calibration of runs that came to the end of their steps, and to ends before', async () => {
    const usage = { activeParameters: 1000, flopsPerToken: 1e6, emptySlots: { dropped: 0, null: 0, inactive: 0 } };
    const plain = settings('lpr');
    const calibration = { tokens: 1000, rounds: 3 };
    const flopsOf = async (name: string, training: Partial<Settings['training']>): Promise<number> => {
      const config = { ...plain, training: { ...plain.training, steps: 40, ...training } };
      await makeRun(join(root, name), config, { loss: 5, final: true, usage });
      return (await collectResults([join(root, name)])).runs[0]!.trainingFlops!;
    };
    const steps = await flopsOf('not calibrated', { calibration: null });
    const { withoutHead } = predictFlops(decoderConfig(plain, plain.size.vocabulary), {
      sequence: plain.data.sequenceLength,
    });
    expect(await flopsOf('calibrated', { calibration })).toBeCloseTo(steps + 3000 * withoutHead, 0);
    // It stopped before its last step.
    expect(await flopsOf('stopped', { calibration, steps: 60 })).toBe(steps);
    // Once where it was to end, once where it ended; where it was stopped before, not.
    const lengthened = [
      { steps: 20, until: 20 },
      { steps: 30, until: 25 },
    ];
    expect(await flopsOf('lengthened', { calibration, lengthened })).toBeCloseTo(steps + 6000 * withoutHead, 0);
  });

  it('of a reproduction name the settings of each row in each formulation', async () => {
    const names = PAPER_TABLES[6].rows.map((_, i) => `row ${i}`);
    const runs = new Map(
      [0, 1].flatMap((seed) => names.map((name) => [`${name}-${seed}`, settings('lpr', seed)] as const)),
    );
    const folder = join(root, 'reproduce');
    const rows = new Map([['corrected', names]]);
    await makeComparison(folder, { runs, baseline: null, tables: new Map([[6, rows]]) }, { 'row 0-0': 5.5 });
    expect((await readComparison(folder))!.tables).toEqual(new Map([[6, rows]]));
    const { paper, runs: results } = await collectResults([folder]);
    expect(paper.map(({ number, rows: own }) => [number, own.map((row) => [row.runs, row.baseline])])).toEqual([
      [
        6,
        [
          [{ corrected: 'row 0' }, 'orthogonal'],
          [{ corrected: 'row 1' }, null],
          [{ corrected: 'row 2' }, 'orthogonal'],
        ],
      ],
    ]);
    expect(results.map(({ name, seed }) => [name, seed])).toEqual(
      [0, 1].flatMap((seed) => names.map((name) => [name, seed])),
    );
  });

  it('of several comparisons have all formulations and seeds of a table, and each run once', async () => {
    const names = ['a', 'b', 'c'];
    const make = async (folder: string, formulation: string, runs: Comparison['runs'], loss = 5): Promise<string> => {
      const tables: Comparison['tables'] = new Map([[6, new Map([[formulation, names]])]]);
      await makeComparison(join(root, folder), { runs, baseline: null, tables }, { a: loss });
      return join(root, folder);
    };
    const runsOf = (router: string, seed = 0) => new Map(names.map((name) => [name, settings(router, seed)]));
    const first = await make('first', 'corrected', runsOf('lpr'));
    const second = await make(
      'second',
      'corrected',
      new Map([0, 1].flatMap((seed) => names.map((name) => [`${name}-${seed}`, settings('lpr', seed)]))),
    );
    const { runs, paper } = await collectResults([first, second]);
    expect(runs.map(({ name, seed }) => `${name} ${seed}`)).toEqual(['a 0', 'b 0', 'c 0', 'a 1', 'b 1', 'c 1']);
    expect(paper.map(({ number, rows }) => [number, rows.map((row) => row.runs)])).toEqual([
      [6, names.map((corrected) => ({ corrected }))],
    ]);
    // Also to what was collected before and has lain in a file since.
    const known = await collectResults([first]);
    const { shared, runs: apart } = shareSettings(known.runs);
    const stored = { paper: known.paper, runs: withSharedSettings({ shared, runs: apart }) };
    expect(await collectResults([second], stored)).toEqual(await collectResults([first, second]));
    const other = await make('other', 'corrected', runsOf('lpr'), 6);
    await expect(collectResults([other], stored)).rejects.toThrow('a of seed 0 has other results than the run');
    await expect(collectResults([first, other])).rejects.toThrow('a of seed 0 has other results than the run');

    const others = ['d', 'e', 'f'];
    const tables: Comparison['tables'] = new Map([[6, new Map([['paper', others]])]]);
    const literal = join(root, 'literal');
    const literalRuns = new Map(others.map((name) => [name, settings('lpr-paper')]));
    await makeComparison(literal, { runs: literalRuns, baseline: null, tables }, {});
    expect((await collectResults([first, literal])).paper[0]!.rows[1]!.runs).toEqual({ corrected: 'b', paper: 'e' });
    const clash = join(root, 'clash');
    const clashing: Comparison['tables'] = new Map([[6, new Map([['corrected', others]])]]);
    await makeComparison(clash, { runs: literalRuns, baseline: null, tables: clashing }, {});
    await expect(collectResults([first, clash])).rejects.toThrow('has other rows in table 6 of the paper');
  });

  it('that stand beside a comparison of routers give way to those that runs are rows of, in any order', async () => {
    const beside = join(root, 'beside');
    const routers: Comparison['runs'] = new Map([['top-k', settings('top-k')]]);
    await makeComparison(beside, { runs: routers, baseline: 'top-k', tables: new Map() }, {});
    const rows = PAPER_TABLES[1].rows.map((_, i) => `row ${i}`);
    const filled = join(root, 'filled');
    await makeComparison(
      filled,
      {
        runs: new Map(rows.map((name) => [name, settings('lpr')])),
        baseline: null,
        tables: new Map([[1, new Map([['corrected', rows]])]]),
      },
      {},
    );
    const [first, second] = [await collectResults([beside, filled]), await collectResults([filled, beside])];
    expect(first.paper[0]!.rows).toHaveLength(rows.length);
    expect(second.paper).toEqual(first.paper);
  });

  it('have the intervals of a run that only one of their folders knows', async () => {
    const folder = join(root, 'intervals');
    const runs: Comparison['runs'] = new Map([
      ['top-k', settings('top-k')],
      ['lpr', settings('lpr')],
    ]);
    await makeComparison(folder, { runs, baseline: 'top-k', tables: new Map() }, {});
    for (const name of runs.keys()) await addBlocks(join(folder, name), 5, 0.5);
    const whole = await collectResults([folder]);
    expect(whole.runs.map(({ bootstrap }) => bootstrap === undefined)).toEqual([false, false]);
    const byName = (result: typeof whole) => result.runs.toSorted((a, b) => a.name.localeCompare(b.name));
    expect(byName(await collectResults([join(folder, 'lpr'), folder]))).toEqual(byName(whole));
  });

  it('are read of a comparison of an earlier version', async () => {
    const folder = join(root, 'earlier');
    const runs = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, settings('lpr-paper')]));
    await mkdir(folder);
    await writeFile(join(folder, 'comparison.yaml'), JSON.stringify({ tables: { 6: ['a', 'b', 'c'] }, runs }));
    expect((await readComparison(folder))!.tables).toEqual(new Map([[6, new Map([['paper', ['a', 'b', 'c']]])]]));
    await writeFile(
      join(folder, 'comparison.yaml'),
      JSON.stringify({ tables: { 6: { corrected: ['a', 'b'] } }, runs }),
    );
    await expect(readComparison(folder)).rejects.toThrow('table 6 must name a run for every row');
    await writeFile(join(folder, 'comparison.yaml'), JSON.stringify({ runs: { 'top-k': settings('top-k'), ...runs } }));
    expect((await readComparison(folder))!.baseline).toBe('top-k');
  });

  it('need runs that are finished', async () => {
    await makeRun(join(root, 'started'), settings('lpr'), { loss: 5, final: false });
    await expect(collectResults([join(root, 'started')])).rejects.toThrow('started is not finished; resume it first');
  });
});
