/** Records of runs: what they hold, that they are plain data, and that every way to a picture goes through them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { gini } from '@lpr/metrics';
import { MetricsSeries, type Run } from '@lpr/runs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import {
  curves,
  curvesRecord,
  type Figure,
  FIGURES,
  latentGeometry,
  latents,
  loadHeldOut,
  loadHeldOutSorted,
  loadRecord,
  loadTraining,
  lorenz,
  lossBalance,
  parallelCoordinates,
  parallelRecord,
  lossTokensHeldOut,
  lossTokensTraining,
  namedRun,
  overviewRuns,
  overviewTable,
  partsOf,
  type RunParts,
  runNames,
  shownMeasures,
  ranks,
  simulatedLevels,
  specialisationBalance,
  stepTime,
} from '../src/index.ts';
import type { CurveNumbers } from '../src/figures/curves.ts';
import { picturesOf, pngOf, writePicture } from '../src/node.ts';
import { wholeRun } from './whole-runs.ts';
import { EVEN, half, temporaryFolder, UNEVEN, writeRun } from './runs.ts';

// Drawing takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const root = await temporaryFolder();
const context = { levels: simulatedLevels() };
const TOP_K = { architecture: 'qwen3-moe', router: 'top-k' };
const LPR = { architecture: 'qwen3-moe', router: 'lpr', lpr: { latentDim: 8 } };
let runs: Run[];
let parts: RunParts[];

beforeAll(async () => {
  runs = [
    await writeRun(join(root, 'top-k'), { settings: TOP_K, heldOut: UNEVEN }),
    await writeRun(join(root, 'lpr'), { settings: LPR }),
  ];
  parts = named(runs);
});

function named(some: readonly Run[]): RunParts[] {
  const names = runNames(some.map(namedRun));
  return some.map((run, i) => partsOf(run, names[i]!));
}

function recordOf(figure: Figure, some: readonly RunParts[] = parts) {
  const { pictures, missing } = figure.pictures(some, context);
  expect(missing).toEqual([]);
  return pictures[0]!.record;
}

describe('a record', () => {
  it('says what it is of: held-out text or training, which tokens, which steps', () => {
    const heldOut = recordOf(loadHeldOut);
    expect(heldOut).toMatchObject({
      kind: 'load-held-out',
      title: 'Expert load on 200 held-out tokens after step 20',
      of: { runs: ['Qwen3-MoE', 'Qwen3-MoE-LPR'], text: 'held-out', tokens: 200, step: 20 },
      numbers: { order: 'index', models: [{ name: 'Qwen3-MoE', counts: UNEVEN }, { name: 'Qwen3-MoE-LPR' }] },
    });
    expect(recordOf(loadHeldOutSorted).title).toBe(
      'Expert load on 200 held-out tokens after step 20, experts sorted by load',
    );
    const training = recordOf(loadTraining);
    expect(training).toMatchObject({
      kind: 'load-training',
      title: 'Expert load on 100 training tokens until step 20',
    });
    expect(recordOf(lorenz).title).toBe('Lorenz curve of expert load on 200 held-out tokens after step 20');
    expect(recordOf(curves).title).toBe('Loss and balance in training, steps 1 to 20');
    const two = loadTraining.pictures(parts, { ...context, windows: 2 }).pictures[0]!.record;
    expect(two.title).toBe('Expert load on 200 training tokens until step 20');
  });

  it('names what is not the same for all runs beside each', () => {
    const loads = { counts: UNEVEN, latentDim: null };
    const record = loadRecord(
      'held-out',
      [
        { ...loads, name: 'a', tokens: 200, step: 10 },
        { ...loads, name: 'b', tokens: 1000, step: 10 },
      ],
      context,
    );
    expect(record.title).toBe('Expert load on held-out text after step 10');
    expect(record.numbers.models.map(({ name }) => name)).toEqual(['a, 200 tokens', 'b, 1,000 tokens']);
    // Levels of other numbers of tokens are others: noted of each run, drawn of none.
    expect(record.levels).toEqual([]);
    expect(record.notes.filter((note) => note.startsWith('sampling floor'))).toHaveLength(2);
  });

  it('has the levels that all its runs share, with their ranges', () => {
    const { levels, notes } = recordOf(loadHeldOut);
    expect(levels.map(({ name, runs: those }) => [name, those.length])).toEqual([
      ['sampling floor', 2],
      ['isotropic null', 2],
    ]);
    expect(notes[0]).toMatch(
      /^sampling floor \(a uniform router\): Gini 0\.\d+ \(0\.\d+-0\.\d+\), min-max .*, MaxVio /,
    );
  });

  it('is plain data, and the same each time', () => {
    for (const figure of FIGURES) {
      const [first, second] = [1, 2].map(() => figure.pictures(parts, context).pictures.map(({ record }) => record));
      expect(first).toEqual(second);
      expect(structuredClone(first)).toEqual(first);
    }
  });

  it('has its numbers as a table', () => {
    const table = curves.pictures(parts, context).pictures[0]!.table();
    expect(table.header).toEqual(['run', 'step', 'loss', ...shownMeasures('short').map(({ key }) => key)]);
    expect(table.rows.slice(0, 2).map((row) => row.slice(0, 6))).toEqual([
      ['Qwen3-MoE', 10, 3, 0, 1, 0],
      ['Qwen3-MoE', 20, 2.9, (gini(UNEVEN[0]!) + gini(UNEVEN[1]!)) / 2, 0, 2],
    ]);
    expect(loadHeldOut.pictures(parts, context).pictures[0]!.table().rows[0]).toEqual(['Qwen3-MoE', 0, 0, 200]);
    expect(stepTime.pictures(parts, context).pictures[0]!.table().rows[0]).toEqual(['Qwen3-MoE', 'router', 3]);
  });

  it('of ranks is of those runs that several trained', async () => {
    expect(ranks.pictures(parts, context)).toEqual({ pictures: [], missing: [] });
    const shared = await writeRun(join(root, 'ranks'), { settings: LPR, slowestLoad: [1.5, 1.25] });
    const { pictures, missing } = ranks.pictures(named([runs[0]!, shared]), context);
    expect(missing).toEqual(['Qwen3-MoE: no ranks trained it that own some experts each']);
    expect(pictures[0]!.record.title).toBe('Load of the slowest rank in training, and what it costs, until step 20');
    expect(pictures[0]!.table()).toEqual({
      header: ['run', 'step', 'slowestLoad', 'imbalance', 'sentTokens'],
      rows: [
        ['Qwen3-MoE-LPR', 10, 1.5, 15, 2],
        ['Qwen3-MoE-LPR', 20, 1.25, 12.5, 2],
      ],
    });
    expect((await pngOf(pictures[0]!, 'light')).length).toBeGreaterThan(5000);
  });

  it('of loss against balance is one for each measure of short tables', () => {
    const { pictures } = lossBalance.pictures(parts, context);
    expect(pictures.map(({ record }) => record.of.label)).toEqual(shownMeasures('short').map(({ title }) => title));
    expect(pictures[1]!.record.numbers).toMatchObject({ measure: { growsWithBalance: true } });
    expect(lossBalance.pictures(parts.slice(1), context).missing).toEqual([
      'it compares runs: give at least two that were evaluated',
    ]);
  });

  it('of each run by itself is there for the others where the data of one are refused', () => {
    const [first, second] = [wholeRun({ name: 'a' }), wholeRun({ name: 'b' })];
    const layer = first.latents.value![0]!;
    const values = Float64Array.from(layer.latents.values).fill(Number.NaN, 0, 1);
    const damaged = { ...first, latents: { value: [{ ...layer, latents: { ...layer.latents, values } }] } };
    for (const figure of [latents, latentGeometry]) {
      const { pictures, missing } = figure.pictures([damaged, second], context);
      expect(pictures.map(({ record }) => record.of.runs)).toEqual([['b']]);
      expect(missing).toEqual([expect.stringMatching(/^a: .*NaN/)]);
    }
  });

  it('of settings against results has an axis for each setting in which runs of a router differ', () => {
    const of = (router: string, settings: Record<string, string>, loss: number, gini: number) => ({
      name: `${router} ${loss}`,
      settings: new Map(Object.entries({ router, seed: String(loss), threads: String(loss), ...settings })),
      ...{ loss, step: 10, tokens: 64, balance: { gini } },
    });
    const lpr = { 'lpr.strength': '1', 'training.learningRate': '0.01' };
    const { numbers, title } = parallelRecord([
      of('top-k', { 'training.learningRate': '0.0001' }, 3, 0.5),
      of('lpr', { ...lpr, 'lpr.diversity': 'cosine' }, 2, 0.25),
      of('lpr', { ...lpr, 'training.learningRate': '0.0001', 'lpr.diversity': 'orthogonal' }, 1, Number.NaN),
    ]);
    expect(title).toBe('Settings against results on 64 held-out tokens after step 10');
    expect(numbers.axes).toEqual([
      { title: 'router', kind: 'category' },
      { title: 'learningRate', kind: 'log' },
      { title: 'diversity', kind: 'category' },
      { title: 'test loss', kind: 'linear' },
      { title: 'Gini', kind: 'linear' },
    ]);
    expect(numbers.colourAxis).toBe(3);
    expect(numbers.runs.map(({ values }) => values)).toEqual([
      ['top-k', 0.0001, null, 3, 0.5],
      ['lpr', 0.01, 'cosine', 2, 0.25],
      ['lpr', 0.0001, 'orthogonal', 1, null],
    ]);
    // The router is one of them; what no run has shows nothing, and what one lacks makes no axis linear.
    const sweep = ['top-k', 'lpr', 'lpr'].map((router, i) => ({
      ...of(router, Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`lpr.at${at}`, `${i}`])), i, Number.NaN),
      balance: { gini: Number.NaN, minMax: [0.001, 0.1, Number.NaN][i]! },
    }));
    const many = parallelRecord(sweep);
    expect(many.notes).toEqual(['Of 9 settings that differ the first 8 are shown.']);
    expect(many.numbers.axes.slice(8)).toEqual([
      { title: 'test loss', kind: 'linear' },
      { title: 'min-max', kind: 'log' },
    ]);
  });

  it('is the same of a run that a page was sent and of one that was read', () => {
    const [, lpr] = runs as [Run, Run];
    const sent = new MetricsSeries();
    for (const line of lpr.metrics.value!) sent.line(line);
    const file = JSON.parse(JSON.stringify(sent.file(1000))) as ReturnType<MetricsSeries['file']>;
    const { name, window, facts } = parts[1]!;
    const page = curvesRecord([{ name, file, window, latentDim: facts.latentDim }], context);
    expect(page).toEqual(recordOf(curves, [parts[1]!]));
  });
});

describe('runs of one setting', () => {
  it('are drawn as their mean, in the band that they fill', async () => {
    const seeds = await Promise.all(
      [UNEVEN, UNEVEN, EVEN].map((counts, seed) =>
        writeRun(join(root, `seed-${seed}`), { settings: { ...LPR, seed }, training: [half(UNEVEN), half(counts)] }),
      ),
    );
    const settings = seeds.map((run, seed) => ({ ...partsOf(run, `LPR, seed ${seed}`), setting: 'LPR' }));
    const record = recordOf(curves, [parts[0]!, ...settings]);
    expect(record.notes).toContain('Lines are means over 3 seeds, bands reach from the lowest seed to the highest.');
    const { runs: drawn } = record.numbers as CurveNumbers;
    expect(drawn.map(({ name, seeds: own }) => [name, own?.length])).toEqual([
      ['Qwen3-MoE', undefined],
      ['LPR', 3],
    ]);
    const uneven = drawn[0]!.series['gini']!.at(-1)![1];
    expect(drawn[1]!.seeds!.map(({ gini: points }) => points!.at(-1)![1])).toEqual([uneven, uneven, 0]);
    expect(drawn[1]!.series['gini']).toEqual([
      [10, expect.closeTo(uneven, 12)],
      [20, expect.closeTo((2 * uneven) / 3, 12)],
    ]);
    // A seed that is alone is a run as any other.
    expect(recordOf(curves, [settings[0]!]).of.runs).toEqual(['LPR, seed 0']);
    expect(recordOf(curves, [settings[0]!]).notes).not.toContainEqual(expect.stringMatching(/seeds/));
  });
});

describe('a model without experts', () => {
  it('is named where it is missing, and a dash in tables', async () => {
    const dense = await writeRun(join(root, 'dense'), {
      settings: { architecture: 'dense', router: 'none' },
      heldOut: [],
    });
    const all = named([...runs, dense]);
    const { pictures, missing } = loadHeldOut.pictures(all, context);
    expect(pictures[0]!.record.of.runs).toHaveLength(2);
    expect(missing).toEqual(['dense, none: the model has no experts']);
    expect(picturesOf(FIGURES, all, context).missing).not.toContainEqual(expect.stringMatching(/NaN|undefined/));
    const table = overviewTable(overviewRuns(all, ['top-k', 'lpr', 'dense'], context));
    expect(table.rows[2]).toMatchObject({ name: 'dense, none', gini: null, topK: null, testLoss: 2.5, pValue: null });
    expect(table.rows[0]).toMatchObject({ name: 'Qwen3-MoE', folder: 'top-k', topK: 1, information: 0.25 });
    expect(table.title).toBe('Runs on 200 held-out tokens');
  });
});

describe('pictures', () => {
  it('have a file each, whatever their runs are called', async () => {
    const settings = { ...TOP_K, seed: 1 };
    const long = 'a very long name '.repeat(8);
    const same = await Promise.all(
      ['lpr v1', 'lpr-v1', `${long}1`, `${long}2`].map((name) => writeRun(join(root, 'same', name), { settings })),
    );
    const { pictures, missing } = picturesOf(FIGURES, named(same), context);
    const names = pictures.map(({ name }) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.startsWith('load-history-'))).toHaveLength(4);
    expect(missing).not.toContainEqual(expect.stringContaining('are named'));
    for (const { name, picture } of pictures.filter(
      ({ figure }) => figure === curves || figure.name === 'load-history',
    )) {
      expect(existsSync(await writePicture(join(root, 'out'), name, await pngOf(picture, 'light')))).toBe(true);
    }
  });

  it.each([1, 2, 16, 40])('of %i runs of one router are drawn, all of them', async (count) => {
    const many = await Promise.all(
      Array.from({ length: count }, (_, seed) =>
        writeRun(join(root, `many-${count}`, `run-${seed}`), {
          settings: { ...LPR, seed },
          training: [half(UNEVEN)],
          heldOut: UNEVEN,
        }),
      ),
    );
    const figures = [
      loadHeldOut,
      curves,
      lossBalance,
      lossTokensHeldOut,
      lossTokensTraining,
      specialisationBalance,
      parallelCoordinates,
      stepTime,
    ];
    const { pictures, missing } = picturesOf(figures, named(many), context);
    expect(missing).toEqual(
      ['loss-balance', 'parallel-coordinates'].flatMap((name) =>
        count > 1 ? [] : [`not in ${name}: it compares runs: give at least two that were evaluated`],
      ),
    );
    for (const { picture } of pictures) {
      expect(new Set(picture.record.of.runs).size).toBe(count);
      expect((await pngOf(picture, 'dark')).length).toBeGreaterThan(5000);
    }
  });
});
