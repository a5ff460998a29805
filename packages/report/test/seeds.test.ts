/** Seeds of a setting in figures of loads, and in the table of runs. */
import { layersReport, meanEstimate, pairedDifference } from '@lpr/metrics';
import { balanceOf, MetricsSeries } from '@lpr/runs';
import { describe, expect, it } from 'vitest';
import {
  gradientsRecord,
  LARGER_NOTE,
  loadHeldOut,
  loadHeldOutSorted,
  lorenz,
  type OverviewRun,
  overviewTable,
  type RunParts,
  settingPlaces,
  textTable,
} from '../src/index.ts';
import { wholeRun } from './whole-runs.ts';

const context = { levels: () => undefined };
/** From even to uneven: the middle one is the second. */
const LOADS = [[[30, 20, 10, 4]], [[4, 40, 10, 10]], [[0, 0, 64, 0]]];

/** Three seeds of a setting, then a run by itself. */
const RUNS: RunParts[] = [...LOADS, [[16, 16, 16, 16]]].map((counts, i) => {
  const run = wholeRun({ name: i < 3 ? `LPR, seed ${i}` : 'top-k' });
  const evaluation = { ...run.evaluation.value!, counts, balance: balanceOf(layersReport(counts)) };
  return { ...run, evaluation: { value: evaluation }, ...(i < 3 && { setting: 'LPR' }) };
});

type Models = { models: { name: string; counts: number[][]; isMean?: boolean; seeds?: { name: string }[] }[] };

function recordOf(figure: Pick<typeof lorenz, 'pictures'>): {
  numbers: Models;
  notes: readonly string[];
  of: { runs: readonly string[] };
} {
  const { pictures } = figure.pictures(RUNS, context);
  expect(pictures).toHaveLength(1);
  return pictures[0]!.record as never;
}

describe('seeds of a setting', () => {
  it('are one Lorenz curve, and each of them a part of its table', () => {
    const { numbers, notes, of } = recordOf(lorenz);
    expect(numbers.models.map(({ name, seeds }) => [name, seeds?.map((seed) => seed.name)])).toEqual([
      ['LPR', ['LPR, seed 0', 'LPR, seed 1', 'LPR, seed 2']],
      ['top-k', undefined],
    ]);
    expect(notes[0]).toBe('Lines are means over 3 seeds, bands reach from the lowest seed to the highest.');
    expect(of.runs).toHaveLength(4);
    const { rows } = lorenz.pictures(RUNS, context).pictures[0]!.table();
    expect(new Set(rows.map(([name]) => name))).toEqual(new Set(RUNS.map(({ name }) => name)));
    expect(rows).toHaveLength(16);
  });

  it('are the one of the middle Gini where experts are in their own order', () => {
    const { numbers, notes } = recordOf(loadHeldOut);
    expect(numbers.models.map(({ name, counts }) => [name, counts])).toEqual([
      ['LPR, seed 1', LOADS[1]],
      ['top-k', [[16, 16, 16, 16]]],
    ]);
    expect(notes[0]).toMatch(/^Of several seeds the one of the middle Gini/);
  });

  it('are their mean where experts are sorted, whose Gini is the mean of theirs', () => {
    const { numbers, notes } = recordOf(loadHeldOutSorted);
    const [mean, alone] = numbers.models;
    expect(mean).toMatchObject({ name: 'LPR, mean of 3 seeds', isMean: true });
    expect(mean!.counts.map((layer) => Array.from(layer))).toEqual([[(30 + 40 + 64) / 3, 10, 20 / 3, 8 / 3]]);
    const ginis = LOADS.map((counts) => layersReport(counts).mean.gini);
    expect(layersReport(mean!.counts).mean.gini).toBeCloseTo(meanEstimate(ginis).mean, 12);
    expect(alone).not.toHaveProperty('isMean');
    expect(notes[0]).toMatch(/^Of several seeds the mean load/);
  });

  it('are a row of the table, with means and their intervals', () => {
    const run = (name: string, loss: number, step = 40): OverviewRun => ({
      ...{
        name,
        folder: name,
        router: 'lpr',
        seed: Number(name.at(-1)) || 0,
        step,
        trainingLoss: null,
        tokensPerSecond: 100 * loss,
        levels: null,
      },
      heldOut: { tokens: 99, loss, perplexity: null, information: null, pValue: loss / 100, usage: null },
      ...{ expertsPerToken: 2, mean: { gini: loss / 10 }, worst: { gini: loss / 5 } },
    });
    const runs = [run('a, seed 0', 2), run('b', 7), run('a, seed 1', 3), run('a, seed 2', 4, 60)];
    const settings = ['a', undefined, 'a', 'a'];
    expect(settingPlaces(settings)).toEqual([[0, 2, 3], [1]]);
    const { rows, columns, notes } = overviewTable(runs, settings);
    expect(rows[0]).toMatchObject({
      ...{ name: 'a', seeds: 3, router: 'lpr', tokens: 99, pValue: 0.04, step: 46.67 },
      testLoss: { value: 3, error: meanEstimate([2, 3, 4]).error },
      gini: {
        value: expect.closeTo(0.3, 12) as number,
        error: expect.closeTo(meanEstimate([0.2, 0.3, 0.4]).error!, 12) as number,
      },
      'worst.gini': 0.6,
    });
    expect(rows[1]).toMatchObject({ name: 'b', seeds: 1, testLoss: 7 });
    expect(columns.slice(0, 2).map(({ title }) => title)).toEqual(['setting', 'seeds']);
    expect(notes[0]).toMatch(/means; ± is the 95 % interval/);
    expect(textTable({ columns, rows }).rows[0]!.join(' ')).toContain('3.0000 ± 2.4841');
    expect(overviewTable(runs).columns.map(({ key }) => key)).not.toContain('seeds');
    // Seed 0 alone has a pair, which says nothing of another one.
    const less = overviewTable(runs, settings, 'b');
    expect(less.below!.at(-1)).toMatchObject({
      heading: 'Less b, in pairs of a seed',
      rows: [{ name: 'a', seeds: 1, testLoss: { value: -5, error: null, isDifference: true } }],
    });
    expect(less.notes).not.toContain(LARGER_NOTE);
  });

  it('have differences to another setting in pairs of a seed, whatever their order, with a mark where they exceed their error', () => {
    const run = (name: string, seed: number, loss: number, gini: number | null = null): OverviewRun => ({
      ...{ name: `${name}, seed ${seed}`, folder: name, router: 'lpr', seed, step: 40, trainingLoss: null },
      ...{ tokensPerSecond: null, levels: null, expertsPerToken: 2 },
      heldOut: { tokens: 99, loss, perplexity: null, information: null, pValue: null, usage: null },
      ...{ mean: gini === null ? null : { gini }, worst: null },
    });
    const runs = [
      ...[run('a', 0, 5, 0.1), run('a', 1, 7, 0.2), run('a', 2, 6, 0.3)],
      // Seed 9 has no pair; a dense model no balance.
      ...[run('b', 9, 0), run('b', 2, 5.1), run('b', 1, 6), run('b', 0, 4.05)],
      ...[run('c', 0, 9, 0.4), run('c', 1, 1, 0.5)],
    ];
    const settings = 'aaabbbbcc'.split('');
    const { below, notes } = overviewTable(runs, settings, 'a');
    const { rows } = below!.at(-1)!;
    expect(rows.map(({ name, seeds }) => [name, seeds])).toEqual([
      ['b', 3],
      ['c', 2],
    ]);
    const { mean, error } = pairedDifference([4.05, 6, 5.1], [5, 7, 6]);
    expect(rows[0]!['testLoss']).toMatchObject({
      value: expect.closeTo(mean, 12) as number,
      error: expect.closeTo(error!, 12) as number,
      mark: '§',
    });
    expect(rows[0]).not.toHaveProperty('gini');
    expect(rows[1]!['testLoss']).not.toHaveProperty('mark');
    expect(rows[1]!['gini']).toMatchObject({ value: expect.closeTo(0.3, 12) as number });
    expect(notes).toContain(LARGER_NOTE);
    expect(overviewTable(runs, settings).below!.every(({ heading, rows: own }) => !heading || own.length === 0)).toBe(
      true,
    );
  });
});

it('gradient norms have every value where all are asked for, and say where they are means', () => {
  const series = new MetricsSeries();
  for (let step = 1; step <= 3000; step++) {
    series.line({
      ...{ step, tokens: step, loss: 1, totalLoss: 1, learningRate: 1, gradientNorm: 1, terms: {} },
      gradientNorms: { task: { router: step, prototypes: 1, trunk: 1 } },
    });
  }
  const means = gradientsRecord('run', series.file(1000))!;
  expect(means.notes).toEqual(['Each point is the mean of up to 3 recorded values.']);
  const exact = series.file(Infinity, -Infinity, ['norm.']);
  expect(Object.keys(exact.series)).toEqual(['norm.task.router', 'norm.task.prototypes', 'norm.task.trunk']);
  const record = gradientsRecord('run', exact)!;
  expect(record.notes).toEqual([]);
  expect(record.numbers.terms[0]!.points).toHaveLength(3000);
});
