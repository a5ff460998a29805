/** Results as text: plain columns for stdout. */
import type { Summary } from '@lpr/runs';
import { modelTitle } from '../settings/decoder-config.ts';
import { PAPER_TABLES } from '../comparison/paper.ts';
import type { Architecture } from '../settings/schema.ts';

const HEADER = ['', 'k', 'test loss', 'Gini', 'min-max', 'worst Gini', 'worst min-max', 'MI', 'tokens/s'];

/** The models of a comparison, the reference levels, and the rows of the paper's table 1 that they correspond to. */
export function comparisonTable(summary: Summary, architecture: Architecture): string {
  const [first] = summary.models;
  const measured = summary.models.map((model) => [
    modelTitle(architecture, model.router),
    String(model.topK),
    model.testLoss.toFixed(4),
    figure(model.gini),
    figure(model.minMax),
    figure(model.worst.gini),
    figure(model.worst.minMax),
    model.mutualInformation === null || model.mutualInformationBias === null
      ? ''
      : (model.mutualInformation - model.mutualInformationBias).toFixed(3),
    model.tokensPerSecond === null ? '' : String(model.tokensPerSecond),
  ]);
  const levels = [
    ['sampling floor', '', '', figure(first!.samplingFloor.gini), figure(first!.samplingFloor.minMax)],
    ['isotropic null', '', '', figure(first!.isotropicNull.gini), figure(first!.isotropicNull.minMax)],
  ];
  const paper = PAPER_TABLES[1].rows
    .filter((row) => row.architecture === architecture)
    .map(({ title, paper: { testLoss, gini, minMax } }) => [title, '', figure(testLoss), figure(gini), figure(minMax)]);
  const [head, ...lines] = alignColumns([HEADER, ...measured, ...levels, ...paper]);
  return [
    `${first!.evaluationTokens.toLocaleString('en')} held-out tokens; balance is the mean over layers; MI is I(expert; token) in nats, less its bias`,
    head!,
    ...lines.slice(0, measured.length + levels.length),
    'The paper, table 1 (0.6B parameters, 1B tokens, another corpus: for the pattern, not the values)',
    ...lines.slice(measured.length + levels.length),
    ...summary.models
      .filter(({ stepTimeShares }) => Object.keys(stepTimeShares).length > 0)
      .map(
        ({ router, stepTimeShares }) =>
          `Training time, ${modelTitle(architecture, router)}: ${timeShares(stepTimeShares)}`,
      ),
  ].join('\n');
}

/** "head 37 %, experts 33 %, ...": the largest first, what rounds to nothing left out. */
function timeShares(shares: Readonly<Record<string, number>>): string {
  return Object.entries(shares)
    .toSorted(([, a], [, b]) => b - a)
    .filter(([, share]) => share >= 0.005)
    .map(([part, share]) => `${part} ${Math.round(100 * share)} %`)
    .join(', ');
}

/** Three decimals, or powers of ten where these would hide it. */
export function figure(value: number | null): string {
  if (value === null) return '-';
  return value !== 0 && value < 0.0005 ? value.toExponential(2) : value.toFixed(3);
}

/** Columns for stdout: the first to the left, numbers to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  return padded(rows).map((row) => row.join('  ').trimEnd());
}

/** The same as a Markdown table; the first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string[] {
  const [head, ...lines] = padded(rows) as [string[], ...string[][]];
  const rule = head.map((cell, i) => (i === 0 ? '-'.repeat(cell.length) : `${'-'.repeat(cell.length - 1)}:`));
  return [head, rule, ...lines].map((row) => `| ${row.join(' | ')} |`);
}

/** Every cell as wide as the widest of its column. */
function padded(rows: readonly (readonly string[])[]): string[][] {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  return rows.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))));
}
