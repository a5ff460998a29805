import { describe, expect, it } from 'vitest';
import { type Marker, parseResult, renderView, resultText, rewriteTables, type TablesResult } from '../src/index.ts';
import { sampleRun, sampleRuns, sampleTable, sampleTables } from './samples.ts';

const opening = '<!-- results: speed table=products rows="square, 768; thin" -->';
const closing = '<!-- /results -->';
const table = ['| a   |', '| --- |', '| 1   |'];
const fresh = ['# Title', '', opening, '', ...table, '', closing, '', 'Prose.', ''].join('\n');

describe('a document', () => {
  it('has what lies between its markers made anew, and nothing else', () => {
    const asked: Marker[] = [];
    const render = (marker: Marker) => {
      asked.push(marker);
      return table;
    };
    expect(rewriteTables(fresh, render)).toEqual({ document: fresh, differences: [] });
    expect(asked).toEqual([
      {
        text: opening,
        name: 'speed',
        options: new Map([
          ['table', 'products'],
          ['rows', 'square, 768; thin'],
        ]),
      },
    ]);
    expect(rewriteTables(`${opening}\n${closing}`, render).document).toBe(
      [opening, '', ...table, '', closing].join('\n'),
    );
  });

  it('says where a table first differs', () => {
    const differences = (document: string) => rewriteTables(document, () => table).differences;
    expect(differences(fresh.replace('| 1   |', '| 2   |'))).toEqual([
      { marker: opening, line: 7, found: '| 2   |', expected: '| 1   |' },
    ]);
    expect(differences(fresh.replace('| 1   |\n', ''))).toEqual([
      { marker: opening, line: 7, found: '', expected: '| 1   |' },
    ]);
    expect(differences(fresh.replace('\n\n<!-- /', '\n\n\n<!-- /'))).toEqual([
      { marker: opening, line: 9, found: '', expected: null },
    ]);
  });

  it('may show markers in a block of code', () => {
    const example = ['```md', opening, closing, '```', ''].join('\n');
    expect(rewriteTables(example, () => table)).toEqual({ document: example, differences: [] });
  });

  it.each([
    [`a\n${opening}`, `line 2: ${opening} is not closed by ${closing}`],
    [closing, `line 1: ${closing} closes nothing`],
    [`<!-- results: speed table -->\n${closing}`, '"table" is not key=value or key="value"'],
    [`<!-- results: speed a=1 a=2 -->\n${closing}`, '"a" is there twice'],
    [`<!-- results:  -->\n${closing}`, 'names no result'],
  ])('%j is an error that names the line', (document, message) => {
    expect(() => rewriteTables(document, () => table)).toThrow(message);
  });
});

describe('a view of tables', () => {
  const view = (text: Record<string, string>, result = sampleTables()) =>
    renderView(result, new Map(Object.entries(text)));

  it('shows the rows and columns that are named, in their order', () => {
    expect(view({ rows: 'thin; square, 768', columns: 'product; time' })).toEqual([
      '| product     |     time |',
      '| ----------- | -------: |',
      '| thin        | 12.35 ms |',
      '| square, 768 |  12.3 us |',
    ]);
    expect(view({})).toHaveLength(4);
    expect(view({}, sampleTables({ a: { ...sampleTable, notes: ['of a sample'] } })).slice(4)).toEqual([
      '',
      '- of a sample',
    ]);
  });

  it('shows the error of a number, and the range of a mean', () => {
    const rows = [
      { product: 'thin', ours: { value: 1.25, error: 0.5 } },
      { product: 'wide', ours: { value: 1.5, error: null } },
      { product: 'any', ours: { mean: 1.375, low: 1, high: 2 } },
    ];
    const columns = sampleTable.columns.filter(({ key }) => key === 'product' || key === 'ours');
    const stored = parseResult(resultText(sampleTables({ a: { ...sampleTable, columns, rows } })), 'x.json');
    const shown = view({}, stored as TablesResult).map((line) => line.split('|')[2]?.trim());
    expect(shown.slice(2, 5)).toEqual(['1.3 ± 0.5', '1.5', '1.4 (1.0-2.0)']);
    const damaged = { ...sampleTables({ a: { ...sampleTable, columns, rows: [{ ours: { value: 1, error: -1 } }] } }) };
    expect(() => parseResult(JSON.stringify(damaged), 'x.json')).toThrow(/tables\.a\.rows\[0\]\.ours/);
  });

  it('says what it does not know', () => {
    expect(() => view({ rows: 'tall' })).toThrow('rows has no "tall"; there are square, 768; thin');
    expect(() => view({ columns: 'ms' })).toThrow('columns has no "ms"; there are product; ours; time; why');
    expect(() => view({ view: 'paper' })).toThrow('there is no key "view" here; there are table, rows, columns');
    expect(() => view({}, sampleTables({ a: sampleTable, b: sampleTable }))).toThrow('table must be one of a, b');
  });
});

describe('a stored result', () => {
  it('is read as it was written', () => {
    for (const result of [sampleTables(), sampleRuns([sampleRun()])]) {
      expect(parseResult(resultText(result), 'x.json')).toEqual(result);
    }
  });

  it('has each level once, and those of an earlier version in every run', () => {
    const other = { gini: 0.5 };
    const result = sampleRuns([sampleRun(), sampleRun({ seed: 1 }), sampleRun({ name: 'a', isotropicNull: other })]);
    const text = resultText(result);
    const file = JSON.parse(text) as { levels: unknown[]; runs: { samplingFloor: unknown; isotropicNull: unknown }[] };
    expect(file.levels).toEqual([sampleRun().samplingFloor, sampleRun().isotropicNull, other]);
    expect(file.runs.map(({ samplingFloor, isotropicNull }) => [samplingFloor, isotropicNull])).toEqual([
      [0, 1],
      [0, 1],
      [0, 2],
    ]);
    expect(parseResult(text, 'x.json')).toEqual(result);
    expect(parseResult(JSON.stringify(result), 'x.json')).toEqual(result);
    const missing = JSON.stringify({ ...file, levels: file.levels.slice(0, 2) });
    expect(() => parseResult(missing, 'x.json')).toThrow(
      /x\.json is no stored result:\n.*\n.*runs\[2\]\.isotropicNull/,
    );
  });

  it('is refused by file, field and what it should be', () => {
    const damaged = (change: object) => () => parseResult(JSON.stringify({ ...sampleTables(), ...change }), 'x.json');
    expect(damaged({ when: 'yesterday' })).toThrow(/x\.json is no stored result:\n.*date\n.*when/);
    expect(damaged({ kind: 'rows' })).toThrow(/x\.json is no stored result:\n.*\n.*kind/);
    const stray = { ...sampleTable, rows: [{ product: 'thin', theirs: 1 }] };
    expect(damaged({ tables: { products: stray } })).toThrow(
      /is no column's key; the columns have product, ours, best, time, why\n.*tables\.products\.rows\[0\]\.theirs/,
    );
    expect(() => parseResult('{', 'x.json')).toThrow('x.json is no JSON: SyntaxError');
  });
});
