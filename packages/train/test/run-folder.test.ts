import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeLoads } from '@lpr/metrics';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MetricsLine, readMetrics } from '../src/logs.ts';
import { readConfig, RunFolder } from '../src/run-folder.ts';

const shape = { layers: 2, experts: 3, topK: 1 };

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lpr-run-'));
});
afterEach(async () => await rm(root, { recursive: true }));

function line(step: number): MetricsLine {
  return { step, tokens: 10 * step, loss: 1 / step, totalLoss: 1, learningRate: 1e-3, gradientNorm: 1, terms: {} };
}

async function writeSteps(run: RunFolder, from: number, to: number): Promise<void> {
  const logs = await run.openLogs(from - 1, shape);
  for (let step = from; step <= to; step++) {
    await logs.appendMetrics(line(step));
    if (step % 2 === 0) {
      await logs.appendLoads({
        step,
        tokens: 20,
        counts: [
          [20, 0, 0],
          [7, 7, 6 + (step % 3)],
        ],
      });
    }
  }
  await logs.sync();
  await logs.close();
}

describe('a run folder', () => {
  it('keeps its settings, and refuses to be made twice', async () => {
    const path = join(root, 'deep', 'run');
    const config = { seed: 3, size: { experts: 4 }, corpus: ['a.txt', 'b: c'], threads: null };
    const run = await RunFolder.create(path, config);
    expect(await readConfig(path)).toEqual(config);
    await expect(RunFolder.open(path)).rejects.toThrow(/in use by process/);
    await run.close();
    await expect(RunFolder.create(path, {})).rejects.toThrow(/already exists and is not empty/);
    expect(await readConfig(path)).toEqual(config);
  });

  it('is made where a process was killed before it had written the settings', async () => {
    const path = join(root, 'run');
    await mkdir(path);
    await writeFile(join(path, 'lock'), '{"pid":');
    await writeFile(join(path, '.0f.tmp'), 'half');
    const run = await RunFolder.create(path, { seed: 1 });
    expect(await readConfig(path)).toEqual({ seed: 1 });
    await run.close();
  });

  it('loses what killed processes left half written when it is opened', async () => {
    const path = join(root, 'run');
    await (await RunFolder.create(path, { seed: 1 })).close();
    const before = await readdir(path);
    await writeFile(join(path, '.0f.tmp'), 'half');
    await mkdir(join(path, 'checkpoints', '.step-000005.tmp'), { recursive: true });
    await writeFile(join(path, 'checkpoints', '.step-000005.tmp', 'model.safetensors'), 'half');
    const run = await RunFolder.open(path);
    expect(await readdir(join(path, 'checkpoints'))).toEqual([]);
    await run.close();
    expect(await readdir(path)).toEqual([...before, 'checkpoints'].toSorted());
  });

  it('says when there is no run, no folder can be made, or the settings are no YAML', async () => {
    await expect(RunFolder.open(root)).rejects.toThrow(/is no run folder/);
    await writeFile(join(root, 'file'), '');
    await expect(RunFolder.create(join(root, 'file', 'run'), {})).rejects.toThrow(/cannot make the folder/);
    await mkdir(join(root, 'bad'));
    await writeFile(join(root, 'bad', 'config.yaml'), '{ a: [');
    await expect(RunFolder.open(join(root, 'bad'))).rejects.toThrow(/no valid YAML/);
  });

  it('has the same logs after a cut as if it had never gone further', async () => {
    const whole = await RunFolder.create(join(root, 'whole'), {});
    await writeSteps(whole, 1, 8);
    const cut = await RunFolder.create(join(root, 'cut'), {});
    await writeSteps(cut, 1, 7);
    // Killed while it wrote the next records.
    await appendFile(join(cut.path, 'metrics.jsonl'), '{"step": 8, "lo');
    await appendFile(join(cut.path, 'loads.bin'), Uint8Array.of(8, 0, 0));
    await writeSteps(cut, 6, 8);
    for (const file of ['metrics.jsonl', 'loads.bin']) {
      expect(await readFile(join(cut.path, file))).toEqual(await readFile(join(whole.path, file)));
    }
    const { windows, truncatedBytes } = decodeLoads(await readFile(join(cut.path, 'loads.bin')));
    expect(windows.map(({ step }) => step)).toEqual([2, 4, 6, 8]);
    expect(truncatedBytes).toBe(0);
  });

  it('starts its loads anew when not even the header was written', async () => {
    const run = await RunFolder.create(join(root, 'run'), {});
    await writeFile(join(run.path, 'loads.bin'), 'LPR');
    await writeSteps(run, 1, 2);
    expect(decodeLoads(await readFile(join(run.path, 'loads.bin'))).windows).toHaveLength(1);
  });

  it('gives back its metrics, less a last line that was cut', async () => {
    const run = await RunFolder.create(join(root, 'run'), {});
    expect(await readMetrics(run.path)).toEqual([]);
    await writeSteps(run, 1, 3);
    await appendFile(join(run.path, 'metrics.jsonl'), '{"step": 4');
    expect(await readMetrics(run.path)).toEqual([line(1), line(2), line(3)]);
  });
});
