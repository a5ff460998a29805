import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { loadColour } from '@lpr/charts';
import { encodeLoadHeader } from '@lpr/metrics';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readRuns } from '@lpr/runs';
import { renderRuns } from '../src/index.ts';
import { compiled } from '../../../scripts/compiled.ts';
import { evaluationLine } from './folders.ts';
import { balanced, collapsed, shape, writeRouted as writeRun } from './routed-runs.ts';

// Programs are started and pictures drawn; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const options = { windows: 1, latentDim: 16 };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dashboard-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** How many pixels of a PNG have exactly this colour. */
async function pixelsOf(path: string, colour: string): Promise<number> {
  const image = await loadImage(await readFile(path));
  const context = createCanvas(image.width, image.height).getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  let pixels = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (`#${Buffer.from(data.subarray(i, i + 3)).toString('hex')}` === colour) pixels++;
  }
  return pixels;
}

const cellPixels = 2 * 2 * 47 * 27;

describe('the command line', () => {
  const run = promisify(execFile);
  const dashboard = (...args: string[]) => run(process.execPath, [...compiled('dashboard'), ...args]);
  const failing = async (...args: string[]) => {
    const error: unknown = await dashboard(...args).catch((error: unknown) => error);
    return error as { code: number; stderr: string };
  };

  test('draws the runs of a comparison together', async () => {
    await writeRun(join(folder, 'balanced'), balanced);
    await writeRun(join(folder, 'collapsed'), collapsed);
    const { stdout, stderr } = await dashboard('render', folder);
    const written = stdout.trimEnd().split('\n');
    expect(written.every(existsSync)).toBe(true);
    const names = [
      'curves',
      'lorenz',
      'loss-tokens-training',
      'load-training',
      'load-training-sorted',
      'load-history-balanced',
      'load-history-collapsed',
    ];
    expect(written).toEqual([
      ...names.map((name) => join(folder, 'figures', `${name}.png`)),
      join(folder, 'report.html'),
    ]);
    expect(stderr).toContain('not in load-held-out: balanced: evaluations.jsonl holds no evaluation yet');
    expect(stderr).toContain('not in loss-balance: it compares runs');
    expect(stderr).toContain('not in step-time: collapsed: no step has times');
    // 16 cells of the balanced run are at the uniform share, 12 of the collapsed one are dead and 4 off the scale.
    const heatmap = join(folder, 'figures/load-training.png');
    expect(await pixelsOf(heatmap, loadColour(1, 2))).toBeGreaterThanOrEqual(16 * cellPixels);
    expect(await pixelsOf(heatmap, loadColour(0, 2))).toBeGreaterThanOrEqual(12 * cellPixels);
    expect(await pixelsOf(heatmap, loadColour(0, 2))).toBeLessThan(13 * cellPixels);
    expect(await pixelsOf(heatmap, loadColour(4, 2))).toBeGreaterThanOrEqual(4 * cellPixels);
    expect(await pixelsOf(join(folder, 'figures/curves.png'), '#d55e00')).toBeGreaterThan(500);
    expect((await readdir(folder)).toSorted()).toEqual(['balanced', 'collapsed', 'figures', 'report.html']);
  });

  test('says that a summary is damaged, which costs its table alone', async () => {
    await writeRun(join(folder, 'run'), balanced);
    await writeFile(join(folder, 'summary.json'), '{');
    const { stdout, stderr } = await dashboard('render', folder, '--only', 'curves');
    expect(stdout.trimEnd()).toBe(join(folder, 'figures/curves.png'));
    expect(stderr).toMatch(/^no table of settings: .*summary\.json is damaged: /m);
  });

  test('says in one line what is wrong', async () => {
    expect(await failing('render', join(folder, 'none'))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: cannot read the run folder .*ENOENT.*\n$/),
    });
    expect((await failing('render', folder)).stderr).toContain('is no run folder');
    expect((await failing('render', folder, folder)).stderr).toContain('add --out DIR');
    expect((await failing('render', folder, '--windows', '0')).stderr).toContain('integer of at least 1');
  });

  test('--help shows examples', async () => {
    const { stdout } = await dashboard('render', '--help');
    expect(stdout).toContain('pnpm dashboard render runs/topk runs/lpr -o out');
    expect((await dashboard('--help')).stdout).toContain('write the figures of runs');
  });
});

describe('run folders', () => {
  test('a single run, into a folder that is made', async () => {
    await writeRun(join(folder, 'run'), balanced);
    const runs = await readRuns(join(folder, 'run'));
    expect(runs.map(({ name }) => name)).toEqual(['run']);
    expect(runs[0]!.metrics.value).toHaveLength(10);
    const { written, skipped } = await renderRuns(runs, { ...options, out: join(folder, 'a/b') });
    expect(written.every(existsSync)).toBe(true);
    expect(skipped.filter((sentence) => /load-training:|curves:|lorenz:/.test(sentence))).toEqual([]);
  });

  test('load in training adds up the last windows', async () => {
    // The last window is on two experts, the one before on two others.
    await writeRun(join(folder, 'run'), (token) => (token < 3700 ? [0, 1] : [2, 3]));
    const runs = await readRuns(folder);
    const one = await renderRuns(runs, { ...options, only: ['load-training'], out: join(folder, 'one') });
    const two = await renderRuns(runs, { ...options, only: ['load-training'], windows: 2, out: join(folder, 'two') });
    const red = loadColour(4, 2);
    expect(await pixelsOf(one.written[0]!, red)).toBeLessThan(5 * cellPixels);
    expect(await pixelsOf(two.written[0]!, red)).toBeGreaterThanOrEqual(8 * cellPixels);
  });

  test('what is highlighted has a colour, the rest is grey; names and settings that there are not are listed', async () => {
    for (const [run, router] of [
      ['a', 'lpr'],
      ['b', 'top-k'],
    ] as const) {
      await writeRun(join(folder, run), balanced);
      await writeFile(join(folder, run, 'config.yaml'), `architecture: mixtral\nrouter: ${router}\n`);
    }
    const runs = await readRuns(folder);
    const draw = (more: object) => renderRuns(runs, { ...options, only: ['curves'], out: folder, ...more });
    const [path] = (await draw({ colourBy: 'router', highlight: ['router top-k'] })).written;
    expect(await pixelsOf(path!, '#0072b2')).toBeGreaterThan(500);
    expect(await pixelsOf(path!, '#d55e00')).toBe(0);
    await expect(draw({ highlight: ['router top-k'] })).rejects.toThrow(
      'there is nothing named "router top-k" to highlight; there are Mixtral-LPR | Mixtral',
    );
    await expect(draw({ colourBy: 'route' })).rejects.toThrow(
      'no run has a setting "route" to colour by; there are architecture, router',
    );
  });

  test('a missing file costs its picture alone', async () => {
    await writeRun(join(folder, 'run'), balanced);
    await rm(join(folder, 'run/loads.bin'));
    const { written, skipped } = await renderRuns(await readRuns(folder), { ...options, out: folder });
    expect(written.map((path) => basename(path))).toEqual(['curves.png', 'loss-tokens-training.png', 'report.html']);
    expect(skipped).toContain('not in load-training: run: loads.bin is missing');
  });

  test('a model without experts is left out of the figures of loads alone', async () => {
    await writeRun(join(folder, 'routed'), balanced);
    await writeRun(join(folder, 'dense'), balanced);
    await rm(join(folder, 'dense/loads.bin'));
    await writeFile(join(folder, 'routed/evaluations.jsonl'), evaluationLine());
    await writeFile(join(folder, 'dense/evaluations.jsonl'), evaluationLine({ counts: [], balance: null }));
    const { written, skipped } = await renderRuns(await readRuns(folder), { ...options, out: folder });
    expect(written.map((path) => basename(path))).toEqual(
      expect.arrayContaining(['load-training.png', 'load-held-out.png', 'lorenz.png', 'curves.png']),
    );
    expect(skipped).toContain('not in load-held-out: dense: the model has no experts');
    expect(skipped).toContain('not in load-training: dense: loads.bin is missing');
  });

  test('a run that has only begun has nothing to draw', async () => {
    await writeFile(join(folder, 'loads.bin'), encodeLoadHeader(shape));
    await writeFile(join(folder, 'metrics.jsonl'), '');
    await expect(renderRuns(await readRuns(folder), { ...options, out: folder })).rejects.toThrow(
      /nothing to draw:\n[^]*metrics.jsonl holds no step yet\n[^]*loads.bin holds no whole window yet/,
    );
  });

  test('a run killed while it wrote is drawn up to there', async () => {
    await writeRun(folder, balanced);
    await appendFile(join(folder, 'loads.bin'), new Uint8Array(20));
    await appendFile(join(folder, 'metrics.jsonl'), '{"step": 44, "lo');
    const { written, skipped } = await renderRuns(await readRuns(folder), { ...options, out: folder });
    expect(written).toContain(join(folder, 'figures/curves.png'));
    expect(skipped.filter((sentence) => /(loads.bin|metrics.jsonl): /.test(sentence))).toEqual([]);
  });

  test('a damaged file is named and costs its figures alone', async () => {
    await writeRun(join(folder, 'whole'), balanced);
    await writeRun(join(folder, 'broken'), balanced);
    await writeFile(join(folder, 'broken/loads.bin'), 'something else that is long enough');
    await writeFile(join(folder, 'broken/evaluations.jsonl'), '{"step": 3}\n');
    await appendFile(join(folder, 'broken/metrics.jsonl'), '\0\0\0\n{"step":-1}\nnull\n');
    const { written, skipped } = await renderRuns(await readRuns(folder), { ...options, out: folder });
    expect(written.map((path) => basename(path))).toEqual(
      expect.arrayContaining(['load-training.png', 'curves.png', 'lorenz.png', 'load-history.png', 'report.html']),
    );
    expect(skipped).toContainEqual(
      expect.stringMatching(/^not in load-training: broken: loads.bin: not a file of expert loads/),
    );
    expect(skipped).toContain('not in load-held-out: broken: evaluations.jsonl holds no evaluation yet');
    expect(skipped).toContainEqual(expect.stringMatching(/^broken: evaluations.jsonl: line 1 was left out: /));
    for (const problem of [
      'line 11 is no JSON and was left out',
      'line 12 was left out: step: ',
      'line 13 was left out',
    ]) {
      expect(skipped).toContainEqual(expect.stringContaining(`broken: metrics.jsonl: ${problem}`));
    }
  });

  test('only some figures, for a dark page, without a report', async () => {
    await writeRun(folder, balanced);
    const runs = await readRuns(folder);
    const only = { ...options, out: folder, only: ['curves'], theme: 'dark' as const, svg: true };
    const done: unknown[] = [];
    const onDrawn = (...words: unknown[]): number => done.push(words);
    expect((await renderRuns(runs, { ...only, onDrawn })).written).toEqual([join(folder, 'figures/curves.png')]);
    expect(done).toEqual([['curves', 1, 1]]);
    expect(await readFile(join(folder, 'figures/curves.svg'), 'utf8')).toMatch(/^<svg /);
    expect(await pixelsOf(join(folder, 'figures/curves.png'), '#0d1117')).toBeGreaterThan(100_000);
    await expect(renderRuns(runs, { ...only, only: ['curve'] })).rejects.toThrow(
      /there is no figure "curve"; there are load-held-out, .*curves/,
    );
  });
});
