import { describe, expect, it } from 'vitest';
import {
  paperTable,
  type PaperTableResult,
  parseResult,
  renderView,
  resultText,
  type RunResult,
} from '../src/index.ts';
import { sampleRun, sampleRuns } from './samples.ts';

/** Cells of the lines of Markdown. */
function cellsOf(lines: readonly string[]): string[][] {
  return lines
    .filter((line) => line.startsWith('|') && !line.startsWith('| -'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function view(runs: readonly RunResult[], table: PaperTableResult, more: Record<string, string> = {}): string[] {
  const options = { view: 'paper', table: String(table.number), ...more };
  return renderView(sampleRuns(runs, { paper: [table] }), new Map(Object.entries(options)));
}

describe('a table of an earlier version', () => {
  const old = {
    number: 5,
    title: 'experts',
    rows: [
      { title: '128-8', run: 'a', testLoss: null, gini: 0.099, minMax: 0.412 },
      { title: '256-8', run: 'b', testLoss: null, gini: 0.155, minMax: 0.245 },
      { title: '512-8', run: 'a', testLoss: null, gini: 0.249, minMax: 9.3e-22 },
    ],
  };
  const levels = { samplingFloor: { gini: 0.02, minMax: 0.9 }, isotropicNull: {} };
  const information = { mutualInformation: null, mutualInformationBias: null };
  const runs = [
    sampleRun({ name: 'a', testLoss: 5.4, mean: { gini: 0.1, minMax: 0.5 }, ...levels, ...information }),
    sampleRun({ name: 'b', testLoss: 5.5, mean: { gini: 0.2, minMax: 0 }, ...information }),
  ];

  it("stands beside the paper's, with the correlation of the ranks, and no interval", () => {
    const file = JSON.stringify({ ...sampleRuns(runs), paper: [old] });
    const { paper } = parseResult(file, 'x.json') as ReturnType<typeof sampleRuns>;
    const lines = view(runs, paper[0]!);
    expect(lines[0]).toBe('Table 5 on 102,400 held-out tokens, seed 0: experts');
    expect(cellsOf(lines)).toEqual([
      ['', 'test loss', 'Gini', 'floor', 'null', 'min-max'],
      ['_ours_', '', '', '', '', ''],
      ['128-8', '5.400', '0.100', '0.020', '', '0.500'],
      ['256-8', '5.500', '0.200', '0.004', '0.039', '0.000'],
      ['512-8', '5.400', '0.100', '0.020', '', '0.500'],
      ['rank correlation', '-', '0.00', '', '', '0.00'],
      ['chance of it', '-', '0.667', '', '', '0.667'],
      ['_reported by the paper_', '', '', '', '', ''],
      ['128-8', '-', '0.099', '', '', '0.412'],
      ['256-8', '-', '0.155', '', '', '0.245'],
      ['512-8', '-', '0.249', '', '', '9.30e-22'],
    ]);
    expect(lines.filter((line) => line.startsWith('- '))).toEqual([
      '- A row of one seed has no interval: how far another seed would be from it is not known.',
      '- Less even than random prototypes (Gini above the range of the isotropic null): ours: all rows.',
    ]);
  });
});

describe('a table', () => {
  const row = { baseline: null, testLoss: null, gini: 0.1, minMax: 0.5 };
  const rows = [
    { ...row, title: 'all', runs: { corrected: 'a' } },
    { ...row, title: 'without', baseline: 'all', runs: { corrected: 'b' } },
    { ...row, title: 'as before', baseline: 'all', runs: { corrected: 'a' } },
  ];
  const table: PaperTableResult = { number: 5, title: 'experts', rows };
  const runs = [
    sampleRun({ name: 'a', mean: { gini: 0.1, minMax: 0.5, variance: 14_400, coefficientOfVariation: 0.6 } }),
    sampleRun({ name: 'b', mean: { gini: 0.2, minMax: 0 } }),
  ];

  it('has differences of a formulation where there are several, however few runs its rows share', () => {
    const noteOf = (of: PaperTableResult['rows']): string | undefined =>
      paperTable({ ...table, rows: of }, runs).notes.find((note) => note.startsWith('Differences'));
    const crossed = [
      { ...rows[0]!, runs: { corrected: 'a', paper: 'b' } },
      { ...rows[1]!, runs: { corrected: 'b', paper: 'a' } },
    ];
    expect(noteOf(crossed)).toContain('to "all" of the same formulation, in pairs');
    expect(noteOf(rows)).toContain('to "all", in pairs');
  });

  it('has the variance of the loads where the paper reports one', () => {
    const reported = { ...table, rows: rows.with(2, { ...rows[2]!, ...{ variance: 61_900 } }) };
    const cells = cellsOf(view(runs, reported));
    const columns = [cells[0]!.indexOf('variance'), cells[0]!.indexOf('CV')];
    expect(cells.map((line) => columns.map((column) => line[column]))).toEqual([
      ['variance', 'CV'],
      ['', ''],
      ['1.44e4', '0.600'],
      ['-', '-'],
      ['1.44e4', '0.600'],
      ['', ''],
      ['', ''],
      ['', ''],
      ['-', ''],
      ['-', ''],
      ['6.19e4', ''],
    ]);
    expect(cellsOf(view(runs, table))[0]).not.toContain('variance');
    const stored = sampleRuns(runs, { paper: [reported] });
    expect(parseResult(resultText(stored), 'a.json')).toEqual(stored);
  });

  it('stands alone where the paper reports nothing, and has no difference to itself', () => {
    const none = { testLoss: null, gini: null, minMax: null };
    const lines = view(runs, { ...table, rows: rows.map((each) => ({ ...each, ...none })) });
    const cells = cellsOf(lines);
    expect(cells.map(([name]) => name)).toEqual(['', '_corrected_', 'all', 'without', 'as before']);
    expect(cells.map((line) => line[4])).toEqual(['difference', '', '', '+0.100', '']);
  });
});

describe('a table of several formulations and seeds', () => {
  const rows = [
    { title: 'own router', baseline: null, runs: { paper: 'top-k', corrected: 'top-k', 'no-bias': 'top-k' } },
    { title: 'LPR', baseline: 'own router', runs: { paper: 'lpr-paper', corrected: 'lpr', 'no-bias': 'unbiased' } },
    { title: 'LPR, wide', baseline: 'own router', runs: { paper: 'wide-paper', corrected: 'wide', 'no-bias': 'wide' } },
  ];
  const table: PaperTableResult = {
    number: 1,
    title: 'architectures',
    rows: rows.map((row, i) => ({ ...row, testLoss: 3.7 - i / 100, gini: 0.7 / (i + 1), minMax: i / 4 })),
  };
  const isotropicNull = { gini: { mean: 0.04, low: 0.03, high: 0.05 } };
  const seeds = (name: string, loss: number, gini: number, information = 1.5): RunResult[] =>
    [0, 1, 2].map((seed) =>
      sampleRun({
        ...{ name, seed, isotropicNull, mutualInformation: information, mutualInformationBias: 0.5 },
        testLoss: loss + 0.1 * seed,
        mean: { gini, minMax: 1 - gini },
      }),
    );
  const runs = [
    ...seeds('top-k', 5, 0.6),
    // Worse with every seed by the same.
    ...seeds('lpr-paper', 5.25, 0.6, 0.5),
    ...seeds('lpr', 4.75, 0.05),
    ...seeds('unbiased', 4.75, 0.145),
    ...seeds('wide-paper', 5, 0.6),
    ...seeds('wide', 5, 0.03),
  ];

  it('has a block of each, those that are alike once, means with errors, and differences', () => {
    const lines = view(runs, table);
    expect(lines[0]).toBe('Table 1 on 102,400 held-out tokens, means over seeds 0, 1, 2: architectures');
    const cells = cellsOf(lines);
    expect(cells[0]).toEqual([
      ...['', 'test loss', 'difference', 'Gini', 'difference', 'floor', 'null', 'min-max', 'difference', 'MI'],
    ]);
    expect(cells.map(([name]) => name)).toEqual([
      '',
      ...['_the same in all formulations_', 'own router'],
      ...['_paper: its equations read literally_', 'LPR', 'LPR, wide', 'rank correlation', 'chance of it'],
      ...['_corrected_', 'LPR', 'LPR, wide', 'rank correlation', 'chance of it'],
      ...['_corrected without its selection bias_', 'LPR', 'LPR, wide', 'rank correlation', 'chance of it'],
      ...['_reported by the paper_', 'own router', 'LPR', 'LPR, wide'],
    ]);
    // Of three seeds 0.1 apart: t of two degrees of freedom, 4.303, times 0.1 / sqrt(3).
    expect(cells[4]).toEqual([
      ...['LPR', '5.350 ± 0.248', '+0.250 ± 0.000', '0.600 ± 0.000', '0.000 ± 0.000', '0.004', '0.040 (0.030-0.050)'],
      ...['0.400 ± 0.000', '0.000 ± 0.000', '0.000 ± 0.000 ‡'],
    ]);
    // Ginis 0.6, 0.05, 0.03 beside 0.7, 0.35, 0.23, without error: one of six orders.
    const ranks = cells.filter(([name]) => name === 'rank correlation').map((row) => row[3]);
    expect(ranks).toEqual(['-', '1.00 (1.00 to 1.00)', '1.00 (1.00 to 1.00)']);
    expect(cells[12]![3]).toBe('0.167');
  });

  it('says which seeds a block has where they differ', () => {
    const lines = view(
      runs.filter(({ name, seed }) => seed === 0 || !name.endsWith('-paper')),
      table,
    );
    expect(lines[0]).toBe('Table 1 on 102,400 held-out tokens, means over seeds: architectures');
    const cells = cellsOf(lines);
    expect(cells.map(([name]) => name).filter((name) => name!.startsWith('_'))).toEqual([
      '_the same in all formulations; means over seeds 0, 1, 2_',
      '_paper: its equations read literally; seed 0_',
      '_corrected; means over seeds 0, 1, 2_',
      '_corrected without its selection bias; means over seeds 0, 1, 2_',
      '_reported by the paper_',
    ]);
    // In the pair of seed 0: their means are of other seeds.
    expect(cells[4]!.slice(1, 3)).toEqual(['5.250', '+0.250']);
  });

  it('says what can be told', () => {
    expect(paperTable(table, runs).notes).toEqual([
      "± is the 95 % interval of the mean over seeds (Student's t).",
      'Differences are to "own router" of the same formulation, in pairs of a seed or on the same text.',
      '`paper`, larger than their errors: LPR (test loss +0.250).',
      '`corrected`, larger than their errors: LPR (test loss -0.250, Gini -0.550, min-max +0.550); LPR, wide (Gini -0.570, min-max +0.570).',
      '`corrected` without bias, larger than their errors: LPR (test loss -0.250, Gini -0.455, min-max +0.455); LPR, wide (Gini -0.570, min-max +0.570).',
      'Less even than random prototypes (Gini above the range of the isotropic null): `paper`: all rows; `corrected`: own router; `corrected` without bias: own router, LPR.',
      'Of the balance (1 - Gini) of `corrected`, so much is left without its selection bias: LPR 90 %.',
      '‡ Not above what independent samples would show.',
    ]);
  });

  it('shows the formulations that are named, in their order', () => {
    const cells = cellsOf(view(runs, table, { formulations: 'corrected; paper' }));
    expect(cells.map(([name]) => name).filter((name) => name!.startsWith('_'))).toEqual([
      ...['_the same in all formulations_', '_corrected_', '_paper: its equations read literally_'],
      '_reported by the paper_',
    ]);
    const alone = cellsOf(view(runs, table, { formulations: 'paper' }));
    expect(alone.map(([name]) => name).slice(0, 3)).toEqual([
      '',
      '_paper: its equations read literally_',
      'own router',
    ]);
  });

  it('has intervals of the text where there is one seed, and says which', () => {
    const bootstrap = {
      errors: { testLoss: 0.05, gini: 0.01, minMax: 0.02 },
      differences: { 'top-k': { testLoss: { mean: -0.25, error: 0.3 }, gini: { mean: -0.55, error: 0.01 } } },
    };
    const single = runs
      .filter(({ seed }) => seed === 0)
      .map((run) => ({
        ...run,
        bootstrap: { ...bootstrap, differences: run.name === 'lpr' ? bootstrap.differences : {} },
      }));
    const { title, notes } = paperTable(table, single, ['corrected']);
    expect(title).toBe('Table 1 on 102,400 held-out tokens, seed 0: architectures');
    expect(notes.slice(0, 3)).toEqual([
      expect.stringMatching(/^± is .* bootstrap over blocks of the held-out text: .* not contain .* seeds/),
      'Differences are to "own router", in pairs of a seed or on the same text.',
      '`corrected`, larger than the errors of the text: LPR (Gini -0.550).',
    ]);
    const bare = single.map((run) => ({ ...run, bootstrap: undefined }));
    expect(paperTable(table, bare, ['corrected']).notes[2]).toBe('`corrected`: no difference has an interval.');
  });

  it('names the table, the formulation or the run that is not there', () => {
    expect(() => renderView(sampleRuns(runs, { paper: [table] }), new Map([['view', 'paper']]))).toThrow(
      'table must be one of 1',
    );
    expect(() => view(runs, table, { formulations: 'official' })).toThrow(
      'table 1 has no formulation "official"; there are paper, corrected, no-bias',
    );
    expect(() => paperTable(table, runs.slice(3))).toThrow('table 1 names the run "top-k", which is not there');
  });

  it('comes back from its file', () => {
    const result = sampleRuns(runs, { paper: [table] });
    expect(parseResult(resultText(result), 'x.json')).toEqual(result);
  });
});
