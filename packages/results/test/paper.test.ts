import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { paperTable, parseResult, rankCorrelation, renderView, resultText } from '../src/index.ts';
import { sampleRun, sampleRuns } from './samples.ts';

const table = {
  number: 5,
  title: 'experts',
  rows: [
    { title: '128-8', run: 'a', testLoss: null, gini: 0.099, minMax: 0.412 },
    { title: '256-8', run: 'b', testLoss: null, gini: 0.155, minMax: 0.245 },
    { title: '512-8', run: 'a', testLoss: null, gini: 0.249, minMax: 9.3e-22 },
  ],
};
const runs = [
  sampleRun({ name: 'a', testLoss: 5.4, mean: { gini: 0.1, minMax: 0.5 }, samplingFloor: { gini: 0.02, minMax: 0.9 } }),
  sampleRun({ name: 'b', testLoss: 5.5, mean: { gini: 0.2, minMax: 0 } }),
];

it("stands beside the paper's, with the correlation of the ranks", () => {
  const lines = renderView(
    sampleRuns(runs, { paper: [table] }),
    new Map([
      ['view', 'paper'],
      ['table', '5'],
    ]),
  );
  expect(
    lines.map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    ),
  ).toEqual([
    ['', 'test loss', 'Gini', 'min-max', 'floor', 'paper: loss', 'Gini', 'min-max'],
    [expect.stringMatching(/^-+$/), ...Array(7).fill(expect.stringMatching(/^-+:$/))],
    ['128-8', '5.400', '0.100', '0.500', '0.020', '-', '0.099', '0.412'],
    ['256-8', '5.500', '0.200', '0.000', '0.004', '-', '0.155', '0.245'],
    ['512-8', '5.400', '0.100', '0.500', '0.020', '-', '0.249', '9.30e-22'],
    ['rank correlation', '-', '0.00', '0.00', '', '', '', ''],
  ]);
});

it('has the variance of the loads where the paper reports one, and stands alone without its numbers', () => {
  const [a, b, c] = table.rows as [PaperRow, PaperRow, PaperRow];
  type PaperRow = (typeof table.rows)[number];
  const loaded = [
    sampleRun({ name: 'a', mean: { gini: 0.1, minMax: 0.5, variance: 14_400, coefficientOfVariation: 0.6 } }),
    sampleRun({ name: 'b', mean: { gini: 0.2, minMax: 0 } }),
  ];
  const withVariance = paperTable({ ...table, rows: [a, b, { ...c, variance: 61_900 }] }, loaded);
  expect(withVariance.head.slice(4)).toEqual(['floor', 'variance', 'CV', 'paper: loss', 'Gini', 'min-max', 'variance']);
  expect(withVariance.rows.map((row) => [row[5], row[6], row[10]])).toEqual([
    ['1.44e4', '0.600', '-'],
    ['-', '-', '-'],
    ['1.44e4', '0.600', '6.19e4'],
    ['', '', ''],
  ]);
  const none = { testLoss: null, gini: null, minMax: null };
  const unreported = paperTable({ ...table, rows: table.rows.map((row) => ({ ...row, ...none })) }, runs);
  expect(unreported.head).toEqual(['', 'test loss', 'Gini', 'min-max', 'floor']);
  expect(unreported.rows).toHaveLength(3);
  const stored = sampleRuns(loaded, {
    paper: [
      {
        ...table,
        rows: [
          { ...a, ...none },
          { ...b, variance: 1 },
        ],
      },
    ],
  });
  expect(parseResult(resultText(stored), 'a.json')).toEqual(stored);
});

it('names the table or the run that is not there', () => {
  expect(() => renderView(sampleRuns(runs, { paper: [table] }), new Map([['view', 'paper']]))).toThrow(
    'table must be one of 5',
  );
  expect(() => paperTable(table, [runs[0]!])).toThrow('table 5 names the run "b", which is not there');
});

describe('rank correlation', () => {
  const distinct = (size: number) => fc.shuffledSubarray([...Array(20).keys()], { minLength: size, maxLength: size });

  it("is Spearman's 1 - 6 sum d^2 / (n (n^2 - 1)) where no values are equal", () => {
    const pairs = fc.integer({ min: 3, max: 12 }).chain((n) => fc.tuple(distinct(n), distinct(n)));
    fc.assert(
      fc.property(pairs, ([a, b]) => {
        const rank = (of: readonly number[], value: number): number => of.toSorted((x, y) => x - y).indexOf(value);
        const squares = a.reduce((sum, value, i) => sum + (rank(a, value) - rank(b, b[i]!)) ** 2, 0);
        const n = a.length;
        expect(rankCorrelation(a, b)).toBeCloseTo(1 - (6 * squares) / (n * (n * n - 1)), 12);
      }),
    );
  });

  it('gives equal values the mean of their ranks, and is undefined where nothing can be ranked', () => {
    // Ranks 1, 2.5, 2.5, 4 beside 1, 2, 3, 4: covariance 4.5, variances 4.5 and 5.
    expect(rankCorrelation([1, 2, 2, 3], [10, 20, 30, 40])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNull();
    expect(rankCorrelation([1, null, 3], [1, 2, 3])).toBeNull();
    expect(rankCorrelation([1, 2], [1, 2])).toBeNull();
  });
});
