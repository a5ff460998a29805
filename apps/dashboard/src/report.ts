/** The report of runs as one HTML page that asks for nothing from anywhere and runs no script. */
import { escapeHtml, type TableRecord, tableHtml } from '@lpr/report/tables';
import type { NamedPicture } from '@lpr/report/node';

export interface ReportFigure extends NamedPicture {
  /** PNG for a white and for a dark page. */
  readonly light: Uint8Array;
  readonly dark: Uint8Array;
}

export interface Report {
  readonly title: string;
  /** What the runs have come to. */
  readonly table: TableRecord;
  readonly figures: readonly ReportFigure[];
  readonly skipped: readonly string[];
}

/** The whole page. Names of runs may hold anything. */
export function reportPage({ title, table, figures, skipped }: Report): string {
  const kinds = Array.from(new Set(figures.map(({ figure }) => figure)));
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}: expert routing</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<section>
<h2>${escapeHtml(table.title)}</h2>
${tableHtml(table)}
</section>
${kinds.map((kind) => section(kind, figures)).join('\n')}
${skipped.length === 0 ? '' : `<section><h2>Not drawn</h2>\n<ul>\n${skipped.map((sentence) => `<li>${escapeHtml(sentence)}</li>`).join('\n')}\n</ul></section>`}
</main>
</body>
</html>
`;
}

function section({ name, heading, caption }: ReportFigure['figure'], figures: readonly ReportFigure[]): string {
  const drawn = figures.filter(({ figure }) => figure.name === name);
  return `<section id="${name}">
<h2>${escapeHtml(heading)}</h2>
<p>${escapeHtml(caption)}</p>
${drawn.map(imageOf).join('\n')}
</section>`;
}

/** Title and notes are in the picture, and in its text for those who cannot see it. */
function imageOf({ picture, light, dark }: ReportFigure): string {
  const { title, notes, of } = picture.record;
  const { width, height } = picture.drawWithNotes({ theme: 'light' }).size;
  const label = of.label === undefined ? '' : `<figcaption>${escapeHtml(of.label)}</figcaption>\n`;
  const text = [`${title}: ${of.runs.join(', ')}`, ...notes].join('. ');
  const source = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
  return `<figure>
${label}<picture>
<source media="(prefers-color-scheme: dark)" srcset="${source(dark)}">
<img src="${source(light)}" width="${Math.round(width)}" height="${Math.round(height)}" alt="${escapeHtml(text)}">
</picture>
</figure>`;
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
th[scope=rowgroup] { text-align: left; color: var(--soft); }
.text { text-align: left; }
thead th { color: var(--soft); border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; font-weight: 600; max-width: 40ch; overflow: hidden; text-overflow: ellipsis; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
`;
