/** The report: one page, in which the names of runs are text and one script draws. */
import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FIGURES, partsOf, simulatedLevels } from '@lpr/report';
import { picturesOf } from '@lpr/report/node';
import { readRuns } from '@lpr/runs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { renderRuns } from '../src/index.ts';
import { reportPage } from '../src/report.ts';
import { reportScript } from '../src/server/page-files.ts';
import { launchBrowser, noBrowser } from './browser.ts';
import { evaluationLine } from './folders.ts';
import { balanced, collapsed, writeRouted } from './routed-runs.ts';

// Pictures are drawn; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const HOSTILE = `"><img src=x onerror=alert(1)><script>'&`;
const options = { windows: 1, latentDim: 16 };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dashboard-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('the report', () => {
  const evaluation = evaluationLine({
    evaluatedTokens: 400,
    loss: 2,
    perplexity: Math.exp(2),
    counts: [
      [100, 100, 100, 100, 100, 100, 100, 100],
      [0, 200, 0, 200, 0, 200, 0, 200],
    ],
  });
  const write = async (run: string): Promise<void> => {
    await writeFile(join(folder, run, 'evaluations.jsonl'), evaluation);
    await writeFile(join(folder, run, 'config.yaml'), 'router: top-k<script>\n');
  };

  test('holds the records of all figures, what runs have come to, and one script; and asks for nothing', async () => {
    await writeRouted(join(folder, 'a'), balanced);
    await writeRouted(join(folder, 'b'), collapsed);
    for (const run of ['a', 'b']) await write(run);
    await appendFile(join(folder, 'b', 'config.yaml'), 'seed: 5\n');
    const { written } = await renderRuns(await readRuns(folder), { ...options, out: folder });
    const page = await readFile(join(folder, 'report.html'), 'utf8');
    const [, script] = /<script type="module">([^]*?)<\/script>/.exec(page)!;
    const hash = createHash('sha256').update(script!).digest('base64');
    expect(page).toContain(
      `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'"`,
    );
    const rest = page.replace(script!, '');
    expect(rest.match(/<script/g)).toHaveLength(1);
    expect(rest).not.toMatch(/<link|https?:|@import|url\(| src=/);
    expect(page.match(/data-record=/g)).toHaveLength(written.length - 1);
    const contents = /<nav[^]*?<\/nav>/.exec(page)![0];
    for (const [, id] of contents.matchAll(/href="#([^"]+)"/g)) expect(page).toContain(`<section id="${id}">`);
    expect(contents).toContain('Settings that differ');
    // Whoever has no mouse scrolls what is wide by keyboard: figures, settings, runs, and what differs.
    expect(page.match(/class="wide" tabindex="0" role="region"/g)).toHaveLength(written.length - 1 + 3);
    for (const text of [
      ...['2.0000', '7.39', '0.250 (0.500)', '0.500 (0.000)'],
      ...['sampling floor', 'isotropic null', '95 %'],
    ]) {
      expect(page).toContain(text);
    }
  });

  test('of 36 runs is below 5 MB', async () => {
    for (let i = 0; i < 36; i++) {
      await writeRouted(join(folder, `run-${i}`), i % 2 === 0 ? balanced : collapsed);
      await write(`run-${i}`);
    }
    const runs = await readRuns(folder);
    const parts = runs.map((run) => partsOf(run, run.name));
    const { pictures } = picturesOf(FIGURES, parts, { levels: simulatedLevels(), windows: 1 });
    const page = reportPage({ title: '36', tables: [], figures: pictures, skipped: [], script: await reportScript() });
    expect(pictures.length).toBeGreaterThan(40);
    expect(Buffer.byteLength(page)).toBeLessThan(5e6);
  });

  test.skipIf(noBrowser !== null)('is drawn by its script, in light and in dark', async () => {
    await writeRouted(join(folder, 'a'), balanced);
    await writeRouted(join(folder, HOSTILE.replaceAll('/', '\u2215')), collapsed);
    await write('a');
    await renderRuns(await readRuns(folder), { ...options, out: folder });
    const browser = await launchBrowser();
    try {
      for (const colorScheme of ['light', 'dark'] as const) {
        const errors: string[] = [];
        const page = await browser.newPage({ colorScheme });
        page.on('console', (message) => errors.push(message.text()));
        page.on('pageerror', (error) => errors.push(error.message));
        page.on('dialog', (dialog) => errors.push(dialog.message()));
        await page.goto(pathToFileURL(join(folder, 'report.html')).href);
        const figures = page.locator('[data-record]');
        for (let i = 0; i < (await figures.count()); i++) {
          await figures.nth(i).scrollIntoViewIfNeeded();
          await figures.nth(i).locator('canvas').waitFor();
        }
        expect(errors).toEqual([]);
        await page.close();
      }
    } finally {
      await browser.close();
    }
  });

  test('names of runs are text, whatever they hold', async () => {
    await writeRouted(join(folder, 'run'), balanced);
    await write('run');
    const [run] = await readRuns(folder);
    const runs = [run!, { ...run!, name: `${HOSTILE}/../../x` }].map((run, i) => (i ? run : { ...run, name: HOSTILE }));
    const { written } = await renderRuns(runs, { ...options, out: folder });
    for (const path of written) expect(dirname(path)).toMatch(/figures$|dashboard-[^/]*$/);
    const page = await readFile(join(folder, 'report.html'), 'utf8');
    expect(page).toContain('&#60;script&#62;');
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toMatch(/<img src=x/);
  });
});
