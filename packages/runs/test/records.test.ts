/** What the lines of a run are, and what follows from them. */
import { layersReport } from '@lpr/metrics';
import { describe, expect, it } from 'vitest';
import { balanceOf } from '../src/balance.ts';
import { evaluationLineSchema, finalEvaluation, decisionsOverLayers } from '../src/evaluation-line.ts';
import { factsOf, leavesOf } from '../src/facts.ts';
import { JsonLines } from '../src/json-lines.ts';
import { metricsLineSchema, overallTokensPerSecond, seriesOf, timeShares } from '../src/metrics-line.ts';
import { MetricsSeries } from '../src/metrics-series.ts';
import { stepsOf } from '../src/names.ts';
import { evaluationSummaries, windowSummaries } from '../src/summaries.ts';
import { evaluationLine, metricsLine } from './lines.ts';

describe('balance', () => {
  const report = layersReport([
    [1, 3],
    [0, 0],
  ]);

  it('has every measure that there is, under its own name, and null for one that does not exist', () => {
    const { mean, worst } = balanceOf(report);
    for (const stored of [mean, worst]) expect(Object.keys(stored)).toEqual(Object.keys(report.mean));
    expect(mean).toMatchObject({ gini: null, minMax: report.mean.minMax });
    expect(balanceOf({ mean: layersReport([[1, 3]]).mean, worst: layersReport([[1, 3]]).worst }).mean.gini).toBe(0.25);
  });

  it('comes back from a file, and reaches series and TensorBoard, with measures that nobody knew of', () => {
    const balance = { mean: { gini: 0.25, novel: 7 }, worst: { gini: null, novel: 8 } };
    const lines: unknown[] = [];
    new JsonLines(metricsLineSchema, (line) => lines.push(line)).add(JSON.stringify(metricsLine(3, { balance })));
    expect(lines).toEqual([metricsLine(3, { balance })]);
    const series = Object.fromEntries(seriesOf(metricsLine(3, { balance })));
    expect(series).toMatchObject({ 'balance.gini': 0.25, 'balance.novel': 7, 'worst.novel': 8 });
    expect(series).not.toHaveProperty(['worst.gini']);
    const tags = [
      ...windowSummaries(metricsLine(3, { balance }), []),
      ...evaluationSummaries(evaluationLine(3, { balance })),
    ];
    expect(tags).toEqual(
      expect.arrayContaining([
        { tag: 'balance/gini', scalar: 0.25 },
        { tag: 'balance/worst/novel', scalar: 8 },
        { tag: 'evaluation/balance/novel', scalar: 7 },
      ]),
    );
  });
});

describe('decisions of routers', () => {
  const layer = { entropy: 0.5, margin: 1, independentMargin: 2 };

  it('are averaged over the layers of which they are known, and reach TensorBoard', () => {
    const line = evaluationLine(3, { decisions: [layer, null, { ...layer, entropy: 0.75, margin: null }] });
    expect(evaluationLineSchema.parse(JSON.parse(JSON.stringify(line)))).toEqual(line);
    expect(decisionsOverLayers(line)).toEqual({ entropy: 0.625, margin: 1, independentMargin: 2 });
    expect(evaluationSummaries(line)).toContainEqual({ tag: 'evaluation/decisions/entropy', scalar: 0.625 });
    expect(decisionsOverLayers({ decisions: [null] })).toBeNull();
    expect(decisionsOverLayers({})).toBeNull();
    expect(evaluationSummaries(evaluationLine(3)).filter(({ tag }) => tag.includes('decisions'))).toEqual([]);
  });
});

describe('lines that are not what they should be', () => {
  it.each([
    ['null', /^line 1 was left out: Invalid input: expected object, received null/],
    ['[]', /^line 1 was left out: /],
    ['{"step":-1}', /^line 1 was left out: step: Too small/],
    [JSON.stringify(metricsLine(1e300)), /^line 1 was left out: step: /],
    [JSON.stringify(metricsLine(1.5)), /^line 1 was left out: step: /],
    [JSON.stringify({ ...metricsLine(1), loss: 'small' }), /^line 1 was left out: loss: .*expected number/],
    [JSON.stringify({ ...metricsLine(1), phases: { router: null } }), /^line 1 was left out: phases.router: /],
    ['{"step":1,"lo', /^line 1 is no JSON and was left out: \{"step":1,"lo$/],
    [
      JSON.stringify({ ...metricsLine(1), gini: 0.5, minMax: 1 }),
      /^line 1 was written by another version of this program, with gini, minMax, and was left out$/,
    ],
  ])('are named and left out: %s', (text, problem) => {
    const taken: number[] = [];
    const lines = new JsonLines(metricsLineSchema, ({ step }) => taken.push(step));
    lines.add(`${text}\n${JSON.stringify(metricsLine(2))}`);
    expect(taken).toEqual([2]);
    expect(lines.problems).toEqual([expect.stringMatching(problem)]);
  });

  it('are so many layers of one length in an evaluation', () => {
    expect(evaluationLineSchema.safeParse(evaluationLine(1)).success).toBe(true);
    for (const counts of [[[1, 2], [3]], [[]], [[-1]], [[0.5]], null]) {
      expect(evaluationLineSchema.safeParse({ ...evaluationLine(1), counts }).success).toBe(false);
    }
  });
});

describe('the series of a run', () => {
  it('are one a number, terms summed over layers; what does not exist has none', () => {
    const series = new MetricsSeries();
    series.line(metricsLine(10));
    const norms = { router: 2, prototypes: null, trunk: 1 };
    series.line(
      metricsLine(11, { phases: { router: 3 }, memory: { host: 1, device: 2 }, gradientNorms: { task: norms } }),
    );
    expect(series.step).toBe(11);
    const { series: all, valuesPerPoint } = series.file(100);
    expect(valuesPerPoint).toBe(1);
    expect(all['loss']).toEqual({ steps: [10, 11], values: [1 / 10, 1 / 11] });
    expect(all['term.kl']).toEqual({ steps: [10, 11], values: [0.75, 0.75] });
    expect(all['balance.gini']!.steps).toEqual([10]);
    expect(all['phase.router']).toEqual({ steps: [11], values: [3] });
    expect(all['norm.task.router']).toEqual({ steps: [11], values: [2] });
    expect(all).not.toHaveProperty(['norm.task.prototypes']);
    expect(series.lastOf('balance')).toMatchObject({ gini: series.last('balance.gini') });
  });
});

describe('what follows from all lines', () => {
  it('is the speed: the tokens of the windows over their time', () => {
    expect(overallTokensPerSecond([])).toBeNull();
    const lines = [5, 10, 15, 20].map((step) =>
      metricsLine(step, step === 10 ? { tokensPerSecond: 50 } : step === 20 ? { tokensPerSecond: 25 } : {}),
    );
    // 100 tokens in 2 s and 100 in 4 s.
    expect(overallTokensPerSecond(lines)).toBeCloseTo(200 / 6, 12);
    expect(overallTokensPerSecond(lines.slice(2), 100)).toBeCloseTo(100 / 4, 12);
    expect(overallTokensPerSecond([metricsLine(10, { tokensPerSecond: 0 })])).toBeNull();
  });

  it('is where the time went, by part of the model', () => {
    expect(timeShares([metricsLine(10)])).toEqual({});
    const lines = [
      metricsLine(10, { tokensPerSecond: 1, phases: { head: 1, idle: 3 } }),
      metricsLine(40, { tokensPerSecond: 1, phases: { head: 2 } }),
    ];
    expect(timeShares(lines)).toEqual({ head: 0.7, idle: 0.3 });
  });

  it('is the final evaluation, where there is one', () => {
    expect(finalEvaluation([evaluationLine(1)])).toBeUndefined();
    const final = evaluationLine(2, { final: true });
    expect(finalEvaluation([evaluationLine(1), evaluationLine(2), final])).toBe(final);
  });
});

describe('settings', () => {
  it('tell readers what they want to know, whatever else they are', () => {
    const settings = {
      ...{ router: 'lpr', seed: 3, training: { steps: 7 } },
      ...{ data: { sequenceLength: 64 }, lpr: { latentDim: 4, measure: 'cosine' } },
    };
    expect(factsOf(settings)).toEqual({
      architecture: null,
      router: 'lpr',
      seed: 3,
      steps: 7,
      sequenceLength: 64,
      latentDim: 4,
      byAngle: true,
    });
    for (const odd of [null, 'text', [1], { router: 5, training: 'no', lpr: null }]) {
      expect(Object.values(factsOf(odd)).every((fact) => fact === null || fact === false)).toBe(true);
    }
  });

  it('are known by the paths of their leaves', () => {
    const settings = { a: { b: [1, { c: null }] }, d: [], e: {}, f: undefined };
    expect(leavesOf(settings)).toEqual([
      ['a.b.0', 1],
      ['a.b.1.c', null],
      ['d', []],
      ['e', {}],
    ]);
    expect(leavesOf('text')).toEqual([]);
  });
});

it('names of steps are those that are written, and no others', () => {
  const names = ['step-000010.trace', 'step-1000000.trace', 'step-10.trace', 'step-0000011.trace', 'step-000002', 'x'];
  expect(stepsOf(names, '.trace')).toEqual([10, 1_000_000]);
  expect(stepsOf(names)).toEqual([2]);
});
