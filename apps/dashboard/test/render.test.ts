import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { loadColour } from '@lpr/charts';
import { encodeLoadHeader, encodeLoadWindow, LoadRecorder, layersReport } from '@lpr/metrics';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { parseMetrics, readRuns, renderRuns } from '../src/index.ts';

// Programs are started and pictures drawn; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const shape = { layers: 2, experts: 8, topK: 2 };
const options = { windows: 1, latentDim: 16 };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dashboard-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Writes a run as training does: windows of 4 steps of 100 tokens, routed to experts by the given rule. */
async function writeRun(path: string, expertsOf: (token: number, layer: number) => readonly number[]): Promise<void> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'loads.bin'), encodeLoadHeader(shape));
  await writeFile(join(path, 'metrics.jsonl'), '');
  const recorder = new LoadRecorder(shape);
  for (let step = 1; step <= 40; step++) {
    for (let layer = 0; layer < shape.layers; layer++) {
      const counts = new Int32Array(shape.experts);
      for (let token = 0; token < 100; token++)
        for (const expert of expertsOf(100 * step + token, layer)) counts[expert]!++;
      recorder.add(layer, counts);
    }
    if (step % 4 > 0) continue;
    const window = recorder.window();
    const { mean } = layersReport(window);
    await appendFile(join(path, 'loads.bin'), encodeLoadWindow(shape, { step, tokens: 400, counts: window }));
    const line = {
      step,
      tokens: 100 * step,
      loss: 3 + 1 / step,
      learningRate: 1e-3,
      gini: mean.gini,
      minMax: mean.minMax,
    };
    await appendFile(join(path, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);
    recorder.reset();
  }
}

const balanced = (token: number) => [token % 8, (token + 3) % 8];
const collapsed = (_token: number, layer: number) => [layer, 7];

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
  const main = join(import.meta.dirname, '../src/main.ts');
  const dashboard = (...args: string[]) => run(process.execPath, ['--import', 'tsx', main, ...args]);
  const failing = async (...args: string[]) => {
    const error: unknown = await dashboard(...args).catch((error: unknown) => error);
    return error as { code: number; stderr: string };
  };

  test('draws the runs of a comparison together', async () => {
    await writeRun(join(folder, 'balanced'), balanced);
    await writeRun(join(folder, 'collapsed'), collapsed);
    const { stdout, stderr } = await dashboard('render', folder);
    expect(stdout).toBe(`${join(folder, 'heatmap.png')}\n${join(folder, 'curves.png')}\n`);
    expect(stderr).toBe('');
    // 16 cells of the balanced run are at the uniform share, 12 of the collapsed one are dead and 4 off the scale.
    const heatmap = join(folder, 'heatmap.png');
    expect(await pixelsOf(heatmap, loadColour(1, 2))).toBeGreaterThanOrEqual(16 * cellPixels);
    expect(await pixelsOf(heatmap, loadColour(0, 2))).toBeGreaterThanOrEqual(12 * cellPixels);
    expect(await pixelsOf(heatmap, loadColour(0, 2))).toBeLessThan(13 * cellPixels);
    expect(await pixelsOf(heatmap, loadColour(4, 2))).toBeGreaterThanOrEqual(4 * cellPixels);
    expect(await pixelsOf(join(folder, 'curves.png'), '#d55e00')).toBeGreaterThan(500);
    expect((await readdir(folder)).toSorted()).toEqual(['balanced', 'collapsed', 'curves.png', 'heatmap.png']);
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
    expect((await dashboard('--help')).stdout).toContain('write heatmap.png and curves.png of runs');
  });
});

describe('run folders', () => {
  test('a single run, into a folder that is made', async () => {
    await writeRun(join(folder, 'run'), balanced);
    const runs = await readRuns(join(folder, 'run'));
    expect(runs.map(({ name }) => name)).toEqual(['run']);
    expect(runs[0]!.points).toHaveLength(10);
    expect(runs[0]!.points![9]).toEqual({ step: 40, loss: 3 + 1 / 40, gini: 0, minMax: 1 });
    const { written, skipped } = await renderRuns(runs, { ...options, out: join(folder, 'a/b') });
    expect(written.every(existsSync)).toBe(true);
    expect(skipped).toEqual([]);
  });

  test('the heatmap adds up the last windows', async () => {
    // The last window is on two experts, the one before on two others.
    await writeRun(join(folder, 'run'), (token) => (token < 3700 ? [0, 1] : [2, 3]));
    const runs = await readRuns(folder);
    const one = await renderRuns(runs, { ...options, out: join(folder, 'one') });
    const two = await renderRuns(runs, { ...options, windows: 2, out: join(folder, 'two') });
    const red = loadColour(4, 2);
    expect(await pixelsOf(one.written[0]!, red)).toBeLessThan(5 * cellPixels);
    expect(await pixelsOf(two.written[0]!, red)).toBeGreaterThanOrEqual(8 * cellPixels);
  });

  test('a missing file costs its picture alone', async () => {
    await writeRun(join(folder, 'run'), balanced);
    await rm(join(folder, 'run/loads.bin'));
    const { written, skipped } = await renderRuns(await readRuns(folder), { ...options, out: folder });
    expect(written).toEqual([join(folder, 'curves.png')]);
    expect(skipped).toEqual([`not in heatmap.png: ${join(folder, 'run/loads.bin')} is missing`]);
  });

  test('a run that has only begun has nothing to draw', async () => {
    await writeFile(join(folder, 'loads.bin'), encodeLoadHeader(shape));
    await writeFile(join(folder, 'metrics.jsonl'), '');
    await expect(renderRuns(await readRuns(folder), { ...options, out: folder })).rejects.toThrow(
      /nothing to draw:\n.*loads.bin holds no whole window yet\n.*metrics.jsonl holds no step yet/,
    );
  });

  test('a run killed while it wrote is drawn up to there', async () => {
    await writeRun(folder, balanced);
    await appendFile(join(folder, 'loads.bin'), new Uint8Array(20));
    await appendFile(join(folder, 'metrics.jsonl'), '{"step": 44, "lo');
    const [run] = await readRuns(folder);
    expect(run!.points).toHaveLength(10);
    expect(run!.loads).toMatchObject({ truncatedBytes: 20 });
    expect(run!.loads!.windows).toHaveLength(10);
  });

  test('a damaged file is named', async () => {
    await writeFile(join(folder, 'loads.bin'), 'something else that is long enough');
    await expect(readRuns(folder)).rejects.toThrow(`${join(folder, 'loads.bin')}: not a file of expert loads`);
    expect(() => parseMetrics('{"step": 1}\nnonsense\n{"step": 2}\n', 'm.jsonl')).toThrow(
      'm.jsonl: line 2 is no JSON: nonsense',
    );
  });
});

describe('metrics', () => {
  test('after a resumption the later lines hold; null and other records are left out', () => {
    const lines = [
      { step: 1, loss: 3 },
      { step: 2, loss: 2.5, gini: null },
      { step: 3, loss: 2.4 },
      { event: 'resumed' },
      { step: 2, loss: 2.6, gini: 0.1, minMax: 0.5, other: 'x' },
    ];
    expect(parseMetrics(lines.map((line) => `${JSON.stringify(line)}\n`).join(''), 'm.jsonl')).toEqual([
      { step: 1, loss: 3 },
      { step: 2, loss: 2.6, gini: 0.1, minMax: 0.5 },
    ]);
  });
});
