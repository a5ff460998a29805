import { expect, it } from 'vitest';
import {
  alignColumns,
  formatMeasure,
  formatProbability,
  formatShort,
  formatTime,
  markdownLines,
  rowOrder,
  settingsTable,
  tableHtml,
  tableText,
  type TableRecord,
  textTable,
} from '../src/tables.ts';

const sampleTable: TableRecord = {
  title: 'Matrix products',
  columns: [
    { key: 'product', title: 'product' },
    { key: 'ours', title: 'ours', decimals: 1, beside: { key: 'best', decimals: 2 } },
    { key: 'time', title: 'time', format: 'milliseconds' },
    { key: 'why', title: 'why' },
  ],
  rows: [
    { product: 'square, 768', ours: 1053.25, best: 56.5, time: 0.0123, why: 'a | b' },
    { product: 'thin', ours: null, time: 12.3456 },
  ],
  notes: [],
};

it('is sorted by the numbers of a column, or its words, what is missing last', () => {
  const rows = [
    { name: 'b', value: { value: 2, error: 1 } },
    { name: 'a10', value: null },
    { name: 'a9', value: { mean: -1, low: -2, high: 0 } },
    { name: 'C', value: 10 },
    { name: 'd' },
  ];
  expect(rowOrder({ rows }, 'value', 'ascending')).toEqual([2, 0, 3, 1, 4]);
  expect(rowOrder({ rows }, 'value', 'descending')).toEqual([3, 0, 2, 1, 4]);
  expect(rowOrder({ rows }, 'name', 'ascending')).toEqual([2, 1, 0, 3, 4]);
  const settings = ['10', '9', '0.5', ''].map((value) => ({ value }));
  expect(rowOrder({ rows: settings }, 'value', 'ascending')).toEqual([2, 1, 0, 3]);
});

it('of settings has means over seeds, and differences with a mark where they are larger than their errors', () => {
  const setting = (name: string, testLoss: number, difference?: number) => ({
    ...{ name, runs: [`${name}-0`, `${name}-1`], seeds: [0, 1], errorsOf: 'seeds' as const },
    estimates: { testLoss: { mean: testLoss, error: 0.01 }, gini: { mean: 0.25, error: null } },
    differences: difference === undefined ? {} : { a: { testLoss: { mean: difference, error: 0.1 } } },
  });
  const table = settingsTable({ settings: [setting('a', 3), setting('b', 2.5, -0.5), setting('c', 2.95, -0.05)] })!;
  expect(
    tableText(table)
      .split('\n')
      .map((line) => line.trimEnd().replaceAll(/ {2,}/g, ' | ')),
  ).toEqual([
    'Settings, as means over seeds',
    'setting | seeds | test loss | Gini | min-max | MaxVio | I(expert; token)',
    'a | 0, 1 | 3.0000 ± 0.0100 | 0.250',
    'b | 0, 1 | 2.5000 ± 0.0100 | 0.250',
    'c | 0, 1 | 2.9500 ± 0.0100 | 0.250',
    'Less a, in pairs of a seed or on the same text',
    'b | -0.5000 ± 0.1000 §',
    'c | -0.0500 ± 0.1000',
    "± is the 95 % interval of the mean over seeds (Student's t).",
    '§ The difference is larger than its error, as one in twenty is between runs that do not differ.',
  ]);
  const { differences: _, ...one } = setting('a', 3);
  expect(settingsTable({ settings: [{ ...one, seeds: [0], differences: {} }] })).toBeNull();
  expect(settingsTable({ settings: [] })).toBeNull();
});

it('prints numbers as their columns say, and tells what is missing from what there is nothing to say of', () => {
  expect(textTable(sampleTable)).toEqual({
    head: ['product', 'ours', 'time', 'why'],
    rows: [
      ['square, 768', '1,053.3 (56.50)', '12.3 us', 'a | b'],
      ['thin', '-', '12.35 ms', ''],
    ],
    numeric: [false, true, true, false],
  });
});

it('sets text to the left and numbers to the right, in Markdown whose bars are its own', () => {
  expect(markdownLines(textTable(sampleTable))).toEqual([
    '| product     |            ours |     time | why    |',
    '| ----------- | --------------: | -------: | ------ |',
    String.raw`| square, 768 | 1,053.3 (56.50) |  12.3 us | a \| b |`,
    '| thin        |               - | 12.35 ms |        |',
  ]);
  expect(markdownLines({ head: ['', 'k'], rows: [['a', '1']], numeric: [false, true] })).toEqual([
    '|     |   k |',
    '| --- | --: |',
    '| a   |   1 |',
  ]);
  expect(alignColumns([['', 'k'], ['a', '10'], ['bc']])).toEqual(['     k', 'a   10', 'bc']);
});

it('hides no measure behind its decimals', () => {
  expect([0, 0.0005, 0.000499, 1.27e-16, 0.97, null].map((value) => formatMeasure(value))).toEqual([
    '0.000',
    '0.001',
    '4.99e-4',
    '1.27e-16',
    '0.970',
    '-',
  ]);
  expect([0, 820, 999.4, 999.6, 999_600, -999.6e6, 644e6, 1.105e9, 2.5e20].map(formatShort)).toEqual([
    '0',
    '820',
    '999',
    '1k',
    '1M',
    '-1B',
    '644M',
    '1.1B',
    '250E',
  ]);
  expect([1, 0.999, 0.001, 0.00096].map(formatTime)).toEqual(['1.00 ms', '999.0 us', '1.0 us', '960 ns']);
});

it('prints what was measured with its error, its sign and its mark', () => {
  const columns = [
    { key: 'name', title: '' },
    { key: 'loss', title: 'loss', decimals: 2 },
    { key: 'gini', title: 'Gini', format: 'measure' as const, beside: { key: 'worst' } },
  ];
  const rows = [
    { name: 'a', loss: { value: 5.125, error: 0.25 }, gini: { value: 1.27e-16, error: 0 }, worst: 0.5 },
    { name: 'b', loss: { value: 0.5, error: 0.001, isDifference: true }, gini: { value: 0.25, mark: '†' } },
    { name: 'c', loss: { value: -0.5, error: null, isDifference: true }, gini: { value: Number.NaN, error: 1 } },
    { name: 'd', loss: { value: 0, error: 0, isDifference: true }, gini: null },
  ];
  expect(textTable({ columns, rows }).rows).toEqual([
    ['a', '5.13 ± 0.25', '1.27e-16 ± 0.000 (0.500)'],
    ['b', '+0.50 ± <0.01', '0.250 †'],
    ['c', '-0.50', '-'],
    ['d', '0.00 ± 0.00', '-'],
  ]);
});

it('prints ranges, probabilities and groups of rows with headings, and notes', () => {
  const table: TableRecord = {
    title: 'Runs',
    columns: [
      { key: 'name', title: '' },
      { key: 'gini', title: 'Gini', format: 'measure', beside: { key: 'worst' } },
      { key: 'p', title: 'p', format: 'probability' },
    ],
    rows: [
      { name: '<b>|', gini: 0.25, worst: 0.0001, p: 1e-9 },
      { name: 'dense', gini: null, p: Number.NaN },
    ],
    below: [
      { rows: [{ name: 'floor', gini: { mean: 0.02, low: 0.01, high: 0.03 } }] },
      { heading: 'The paper', rows: [{ name: 'theirs', gini: 0.7 }] },
      { heading: 'nothing', rows: [] },
    ],
    notes: ['A note & more.'],
  };
  expect(
    tableText(table)
      .split('\n')
      .map((line) => line.trim().replaceAll(/ +/g, ' ')),
  ).toEqual([
    'Runs',
    'Gini p',
    '<b>| 0.250 (1.00e-4) 1.0e-9',
    'dense - -',
    'floor 0.020 (0.010-0.030)',
    'The paper',
    'theirs 0.700',
    'A note & more.',
  ]);
  expect(markdownLines(textTable(table)).slice(4)).toEqual([
    expect.stringMatching(/^\| floor +\| +0\.020 \(0\.010-0\.030\) \| +\|$/),
    expect.stringMatching(/^\| _The paper_ \| +\| +\|$/),
    expect.stringMatching(/^\| theirs +\| +0\.700 \| +\|$/),
  ]);
  const html = tableHtml(table);
  expect(html).toContain('<th scope="row">&#60;b&#62;|</th><td>0.250 (1.00e-4)</td><td>1.0e-9</td>');
  expect(html).toContain('<tr><th scope="rowgroup" colspan="3">The paper</th></tr>');
  expect(html).toContain('A note &#38; more.');
  expect([0, 1e-4, 0.25].map(formatProbability)).toEqual(['<1e-300', '1.0e-4', '0.250']);
});
