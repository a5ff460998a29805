/**
 * The report of runs as one HTML page that asks for nothing from anywhere: tables, and the records of all figures with
 * one script that draws them. No other script can run, whatever the names of runs hold.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { recordsText } from '@lpr/report';
import type { NamedPicture } from '@lpr/report/node';
import { escapeHtml, someRuns, type TableRecord, tableHtml } from '@lpr/report/tables';

export interface Report {
  readonly title: string;
  /** What the runs have come to, and what tells them apart. */
  readonly tables: readonly TableRecord[];
  readonly figures: readonly NamedPicture[];
  readonly skipped: readonly string[];
  /** What draws the figures: `reportScript`. */
  readonly script: string;
}

/** The whole page. Names of runs may hold anything. */
export function reportPage({ title, tables, figures, skipped, script }: Report): string {
  const kinds = Array.from(new Set(figures.map(({ figure }) => figure)));
  const hash = createHash('sha256').update(script).digest('base64');
  const records = gzipSync(recordsText(figures.map(({ picture }) => picture.record)), { level: 9 });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}: expert routing</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<noscript><p>The figures are drawn by a script of this page; as pictures they are in the folder figures beside it.</p></noscript>
<nav aria-label="Contents">
<ol>
${[...tables.map((table, i) => ({ name: `table-${i + 1}`, heading: table.title })), ...kinds].map(contentsLine).join('\n')}
</ol>
</nav>
${tables.map((table, i) => `<section id="table-${i + 1}">\n<h2>${escapeHtml(table.title)}</h2>\n${tableHtml(table)}\n</section>`).join('\n')}
${kinds.map((kind) => section(kind, figures)).join('\n')}
${skipped.length === 0 ? '' : `<section><h2>Not drawn</h2>\n<ul>\n${skipped.map((sentence) => `<li>${escapeHtml(sentence)}</li>`).join('\n')}\n</ul></section>`}
</main>
<template id="records">${records.toString('base64')}</template>
<script type="module">${script}</script>
</body>
</html>
`;
}

function contentsLine({ name, heading }: { readonly name: string; readonly heading: string }): string {
  return `<li><a href="#${name}">${escapeHtml(heading)}</a></li>`;
}

function section({ name, heading, caption }: NamedPicture['figure'], figures: readonly NamedPicture[]): string {
  const drawn = figures.flatMap((each, i) => (each.figure.name === name ? [figureOf(each, i)] : []));
  return `<section id="${name}">
<h2>${escapeHtml(heading)}</h2>
<p>${escapeHtml(caption)}</p>
${drawn.join('\n')}
</section>`;
}

/** As high as it is drawn at full width, so that contents lead to their places before it is. */
function figureOf({ picture }: NamedPicture, index: number): string {
  const { title, notes, of } = picture.record;
  const { height } = picture.draw({ theme: 'light', width: PAGE_WIDTH }).size;
  const label = of.label === undefined ? title : `${title}: ${of.label}`;
  const text = `${title}: ${someRuns(of.runs)}`;
  return `<figure>
<figcaption>${escapeHtml(label)}</figcaption>
<div class="wide" tabindex="0" role="region" aria-label="${escapeHtml(label)}">
<div class="drawn" role="img" data-record="${index}" style="height:${Math.round(height)}px" aria-label="${escapeHtml(text)}"></div>
</div>
${notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('\n')}
</figure>`;
}

const PAGE_WIDTH = 1200;

const STYLE = `
:root { --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --page: #ffffff; --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa5b1; --line: #3d444d; --page: #0d1117; --link: #78b4f5; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 Inter, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 44px 0 4px; }
p, figcaption, li { max-width: 76ch; overflow-wrap: anywhere; }
p { margin: 0 0 12px; }
.note, figcaption, li { color: var(--soft); }
.note { font-size: 13px; margin: 0 0 2px; }
figcaption { font-weight: 600; color: var(--ink); }
nav ol { columns: 18em; padding-left: 1.5em; }
a { color: var(--link); }
figure { margin: 0 0 20px; }
.wide { overflow-x: auto; }
.drawn { position: relative; }
.tip { position: absolute; padding: 6px 10px; border: 1px solid var(--line); background: var(--page); font-size: 13px; white-space: pre; pointer-events: none; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: 5px 14px 5px 0; text-align: right; font-weight: 400; }
th[scope=rowgroup] { text-align: left; color: var(--soft); }
.text { text-align: left; }
thead th { color: var(--soft); border-bottom: 1px solid var(--line); }
th:first-child { text-align: left; font-weight: 600; max-width: 40ch; overflow: hidden; text-overflow: ellipsis; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
`;
