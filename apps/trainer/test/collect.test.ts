import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layersReport } from '@lpr/metrics';
import { predictFlops } from '@lpr/model';
import { balanceOf } from '@lpr/runs';
import { shareSettings, withSharedSettings } from '@lpr/results';
import { afterAll, describe, expect, it } from 'vitest';
import { collectResults } from '../src/comparison/collect.ts';
import { type Comparison, createComparison, readComparison } from '../src/comparison/comparison.ts';
import { PAPER_TABLES } from '../src/comparison/paper.ts';
import { decoderConfig } from '../src/settings/decoder-config.ts';
import { resolveSettings } from '../src/settings/resolve.ts';
import type { Settings } from '../src/settings/schema.ts';
import { addBlocks, COUNTS, makeComparison, makeRun, settings } from './finished-runs.ts';

const root = await mkdtemp(join(tmpdir(), 'lpr-collect-'));
afterAll(() => rm(root, { recursive: true }));

it('stores of a file the name, not where it lies on this machine', async () => {
  const sources = `data.sources=[{type: text, paths: [${join(root, 'talks', 'a.txt')}, "b/*.txt"]}]`;
  const config = resolveSettings({ preset: 'tiny', config: [], set: [sources, 'size.experts=4', 'size.topK=1'] });
  await makeRun(join(root, 'own-text-0'), config, { loss: 5, final: true });
  const { runs } = await collectResults([join(root, 'own-text-0')]);
  expect(runs[0]!.settings['data.sources']).toContain('"paths":["a.txt",');
  expect(JSON.stringify(runs)).not.toContain(root);
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

  it('need runs that are finished', async () => {
    await makeRun(join(root, 'started'), settings('lpr'), { loss: 5, final: false });
    await expect(collectResults([join(root, 'started')])).rejects.toThrow('started is not finished; resume it first');
  });
});
