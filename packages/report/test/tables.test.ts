import { expect, it } from 'vitest';
import {
  alignColumns,
  alignedLines,
  formatMeasure,
  formatProbability,
  formatTime,
  markdownLines,
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
  expect([0, 0.0005, 0.000499, 1.27e-16, 0.97, null].map(formatMeasure)).toEqual([
    '0.000',
    '0.001',
    '4.99e-4',
    '1.27e-16',
    '0.970',
    '-',
  ]);
  expect([1, 0.999, 0.001, 0.00096].map(formatTime)).toEqual(['1.00 ms', '999.0 us', '1.0 us', '960 ns']);
});
