/** The report of runs as one HTML page that asks for nothing from anywhere and runs no script. */
import type { ReferenceLevel, Size } from '@lpr/charts';
import type { EvaluationLine, Measures, Run } from '@lpr/runs';
import { type FigureKind, newestEvaluation } from './render-figures.ts';

export interface ReportFigure {
  readonly kind: FigureKind;
  /** Of its file. */
  readonly name: string;
  /** The run, where it is of one of several. */
  readonly of: string | undefined;
  readonly size: Size;
  /** PNG for a white and for a dark page. */
  readonly light: Uint8Array;
  readonly dark: Uint8Array;
}

export interface Report {
  readonly runs: readonly Run[];
  readonly figures: readonly ReportFigure[];
  readonly skipped: readonly string[];
  /** Balance without any structure at so many tokens; none where runs differ in experts or top-k. */
  readonly levels: (tokens: number) => readonly ReferenceLevel[];
}

/** The whole page. Names of runs may hold anything. */
export function reportPage({ runs, figures, skipped, levels }: Report): string {
  const title = runs.length === 1 ? runs[0]!.name : `${runs.length} runs`;
  const kinds = Array.from(new Set(figures.map(({ kind }) => kind)));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(title)}: expert routing</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escape(title)}</h1>
${table(runs, levels)}
${kinds.map((kind) => section(kind, figures)).join('\n')}
${skipped.length === 0 ? '' : `<section><h2>Not drawn</h2>\n<ul>\n${skipped.map((sentence) => `<li>${escape(sentence)}</li>`).join('\n')}\n</ul></section>`}
</main>
</body>
</html>
`;
}

function section({ name, title, caption }: FigureKind, figures: readonly ReportFigure[]): string {
  const drawn = figures.filter((figure) => figure.kind.name === name);
  return `<section id="${name}">
<h2>${escape(title)}</h2>
<p>${escape(caption)}</p>
${drawn.map((figure) => imageOf(figure, title)).join('\n')}
</section>`;
}

function imageOf({ of, size: { width, height }, light, dark }: ReportFigure, title: string): string {
  const label = of === undefined ? '' : `<figcaption>${escape(of)}</figcaption>\n`;
  const source = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
  return `<figure>
${label}<picture>
<source media="(prefers-color-scheme: dark)" srcset="${source(dark)}">
<img src="${source(light)}" width="${Math.round(width)}" height="${Math.round(height)}" alt="${escape(of === undefined ? title : `${title}, ${of}`)}">
</picture>
</figure>`;
}

/** A row of the table: an evaluated run, or a level to read it against. */
interface Row {
  readonly name: string;
  readonly router?: string | null;
  readonly evaluation?: EvaluationLine;
  readonly mean: Measures;
  readonly worst?: Measures;
}

const COLUMNS: readonly { readonly name: string; readonly of: (row: Row) => string }[] = [
  { name: 'router', of: ({ router }) => router ?? '–' },
  { name: 'step', of: ({ evaluation }) => count(evaluation?.step) },
  { name: 'held-out tokens', of: ({ evaluation }) => count(evaluation?.evaluatedTokens) },
  { name: 'test loss', of: ({ evaluation }) => digits(evaluation?.loss, 4) },
  { name: 'perplexity', of: ({ evaluation }) => digits(evaluation?.perplexity, 2) },
  { name: 'Gini', of: ({ mean, worst }) => withWorst(mean.gini, worst?.gini) },
  { name: 'min-max', of: ({ mean, worst }) => withWorst(mean.minMax, worst?.minMax) },
  { name: 'MaxVio', of: ({ mean, worst }) => withWorst(mean.maxViolation, worst?.maxViolation) },
  {
    name: 'I(expert; token)',
    of: ({ evaluation: { mutualInformation = null, mutualInformationBias = null } = {} }) =>
      digits(mutualInformation === null ? null : mutualInformation - (mutualInformationBias ?? 0), 3),
  },
];

/** The figures of the finished models, with the levels that they are to be read against. */
function table(runs: readonly Run[], levels: Report['levels']): string {
  const rows = runs.flatMap((run): (Row & { readonly evaluation: EvaluationLine })[] => {
    const evaluation = newestEvaluation(run).value;
    if (evaluation === undefined) return [];
    const { mean, worst } = evaluation.balance ?? { mean: {}, worst: {} };
    return [{ name: run.name, router: run.facts.router, evaluation, mean, worst }];
  });
  if (rows.length === 0) return '<p>No run was evaluated yet.</p>';
  const tokens = rows[0]!.evaluation.evaluatedTokens;
  const references = rows.every(({ evaluation }) => evaluation.evaluatedTokens === tokens) ? levels(tokens) : [];
  const all: Row[] = [...rows, ...references.map(({ name, ...mean }) => ({ name, mean }))];
  const cells = (tag: string, values: readonly string[]): string =>
    values.map((value) => `<${tag}>${escape(value)}</${tag}>`).join('');
  return `<div class="wide"><table>
<thead><tr>${cells('th', ['run', ...COLUMNS.map(({ name }) => name)])}</tr></thead>
<tbody>
${all
  .map(
    (row) =>
      `<tr><th scope="row">${escape(row.name)}</th>${cells(
        'td',
        COLUMNS.map((column) => column.of(row)),
      )}</tr>`,
  )
  .join('\n')}
</tbody>
</table></div>
<p class="note">Balance on held-out text, mean over layers with the worst layer in brackets; I(expert; token) in nats, less its bias. A uniform router reaches the sampling floor; random latents and keys the isotropic null.</p>`;
}

function withWorst(mean: number | null | undefined, worst: number | null | undefined): string {
  return worst === undefined || worst === null ? digits(mean, 3) : `${digits(mean, 3)} (${digits(worst, 3)})`;
}

function digits(value: number | null | undefined, decimals: number): string {
  if (value === undefined || value === null) return '–';
  return value > 0 && value < 0.5 * 10 ** -decimals ? value.toExponential(1) : value.toFixed(decimals);
}

function count(value: number | undefined): string {
  return value === undefined ? '–' : value.toLocaleString('en');
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `
:root { --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --page: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --line: #3d444d; --page: #0d1117; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 Inter, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 44px 0 4px; }
p, figcaption, li { max-width: 76ch; overflow-wrap: anywhere; }
p { margin: 0 0 12px; }
.note, figcaption, li { color: var(--soft); }
.note { font-size: 13px; margin-top: 8px; }
figure { margin: 0 0 20px; }
img { max-width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: 5px 14px 5px 0; text-align: right; font-weight: 400; }
thead th { color: var(--soft); border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; font-weight: 600; max-width: 40ch; overflow: hidden; text-overflow: ellipsis; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
`;
