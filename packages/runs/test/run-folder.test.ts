import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { decodeLoads, encodeLoadHeader, encodeLoadWindow } from '@lpr/metrics';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { sha256 } from '../src/files.ts';
import { writeFolder } from '../src/folders.ts';
import { loggedStep } from '../src/logs.ts';
import { RunFolder } from '../src/run-folder.ts';
import { readEvaluations, readMetrics } from '../src/run.ts';
import { summaryRecord } from '../src/tensorboard/events.ts';
import { evaluationLine, jsonLines, metricsLine, useFolder } from './lines.ts';

/** What `writeWhole` calls a file for as long as a process of a host writes it. */
function temporaryOf(host: string, pid: number): string {
  return `.${'0f'.repeat(8)}.${sha256(host).slice(0, 8)}-${pid}-0-0123abcd.tmp`;
}

const shape = { layers: 2, experts: 3, topK: 1 };

const folder = useFolder();

async function writeSteps(run: RunFolder, from: number, to: number): Promise<void> {
  const logs = await run.openLogs(from - 1, shape);
  for (let step = from; step <= to; step++) {
    const counts = [
      [20, 0, 0],
      [7, 7, 6 + (step % 3)],
    ];
    await logs.appendStep(metricsLine(step), step % 2 === 0 ? { tokens: 20, counts } : undefined);
  }
  await logs.sync();
  await logs.close();
}

describe('a run folder', () => {
  it('keeps its settings, and refuses to be made twice', async () => {
    const path = join(folder(), 'deep', 'run');
    const config = { seed: 3, size: { experts: 4 }, corpus: ['a.txt', 'b: c'], threads: null };
    const run = await RunFolder.create(path, config);
    expect(await readConfig(path)).toEqual(config);
    await expect(RunFolder.open(path)).rejects.toThrow(/in use by process/);
    await run.close();
    await expect(RunFolder.create(path, {})).rejects.toThrow(/already exists and is not empty/);
    expect(await readConfig(path)).toEqual(config);
  });

  it('is made where a process was killed before it had written the settings', async () => {
    const path = join(folder(), 'run');
    await mkdir(path);
    await writeFile(join(path, 'lock'), '{"pid":');
    await writeFile(join(path, temporaryOf('elsewhere', 1)), 'half');
    const run = await RunFolder.create(path, { seed: 1 });
    expect(await readConfig(path)).toEqual({ seed: 1 });
    await run.close();
  });

  it('loses what killed processes left half written when it is opened, and nothing of others', async () => {
    const path = join(folder(), 'run');
    await (await RunFolder.create(path, { seed: 1 })).close();
    const theirs = ['.data.tmp/x', '.step-000005.tmp/x', '.f.tmp', 'checkpoints/.step.tmp/x', 'traces/.x.tmp/x'];
    // Of a process that lives, as one that writes a note.
    const note = temporaryOf(hostname(), process.ppid);
    const left = [
      ...[temporaryOf(hostname(), 999_999_999), temporaryOf('elsewhere', process.ppid)],
      `traces/${temporaryOf(hostname(), 999_999_999)}`,
      'checkpoints/.step-000005.tmp/model.safetensors',
    ];
    for (const name of [...theirs, note, ...left]) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), 'half');
    }
    await (await RunFolder.open(path)).close();
    for (const name of [...theirs, note]) expect(existsSync(join(path, name)), name).toBe(true);
    for (const name of left) expect(existsSync(join(path, name)), name).toBe(false);
    expect(await readdir(join(path, 'checkpoints'))).toEqual(['.step.tmp']);
  });

  it('is opened while a folder is written into it, and made beside one called like a temporary one', async () => {
    const path = join(folder(), 'run');
    await mkdir(join(path, '.data.tmp'), { recursive: true });
    await writeFile(join(path, '.data.tmp', 'precious'), 'mine');
    await (await RunFolder.create(path, { seed: 1 })).close();
    expect(await readFile(join(path, '.data.tmp', 'precious'), 'utf8')).toBe('mine');
    await writeFolder(join(path, 'exported'), async (temporary) => {
      await (await RunFolder.open(path)).close();
      await writeFile(join(temporary, 'config.json'), '{}');
    });
    expect(await readdir(join(path, 'exported'))).toEqual(['config.json']);
  });

  it('says when there is no run, no folder can be made, or the settings are no YAML', async () => {
    await expect(RunFolder.open(folder())).rejects.toThrow(/is no run folder/);
    await writeFile(join(folder(), 'file'), '');
    await expect(RunFolder.create(join(folder(), 'file', 'run'), {})).rejects.toThrow(/cannot make the folder/);
    await mkdir(join(folder(), 'bad'));
    await writeFile(join(folder(), 'bad', 'config.yaml'), '{ a: [');
    await expect(RunFolder.open(join(folder(), 'bad'))).rejects.toThrow(/no valid YAML/);
  });

  it('has the same logs after a cut as if it had never gone further', async () => {
    const whole = await RunFolder.create(join(folder(), 'whole'), {});
    await writeSteps(whole, 1, 8);
    const cut = await RunFolder.create(join(folder(), 'cut'), {});
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

  it('cuts back logs that are larger than what is read at once', async () => {
    const run = await RunFolder.create(join(folder(), 'run'), {});
    const wide = { layers: 2, experts: 600_000, topK: 1 };
    const long = 'x'.repeat(5_000_000);
    const counts = [0, 1].map(() => new Uint32Array(wide.experts).fill(7));
    const parts = new Map<string, Uint8Array[]>([
      ['metrics.jsonl', [1, 2, 3, 4, 5].map((step) => Buffer.from(`${JSON.stringify({ step, long })}\n`))],
      ['loads.bin', [1, 2, 3, 4, 5].map((step) => encodeLoadWindow(wide, { step, tokens: 9, counts }))],
      ['events.out.tfevents.run', [1, 2, 3, 4, 5].map((step) => summaryRecord(0, step, [{ tag: long, scalar: 1 }]))],
    ]);
    const header = encodeLoadHeader(wide);
    for (const [file, [first, second, third, ...rest]] of parts) {
      const start = file === 'loads.bin' ? header : new Uint8Array(0);
      await writeFile(
        join(run.path, file),
        Buffer.concat([start, first!, second!, third!, ...rest, Buffer.from('cut')]),
      );
    }
    await (await run.openLogs(3, wide)).close();
    for (const [file, [first, second, third]] of parts) {
      const start = file === 'loads.bin' ? header : new Uint8Array(0);
      const kept = await readFile(join(run.path, file));
      expect(kept.equals(Buffer.concat([start, first!, second!, third!])), file).toBe(true);
    }
    expect(await loggedStep(run.path)).toBe(3);
  });

  it('cuts back logs of more than two gibibytes', async () => {
    const run = await RunFolder.create(join(folder(), 'run'), {});
    await writeSteps(run, 1, 8);
    const files = ['metrics.jsonl', 'evaluations.jsonl', 'loads.bin', 'events.out.tfevents.run'];
    const before = await Promise.all(files.map((file) => readFile(join(run.path, file))));
    // Holes take no room on the disk. In the loads they are records, of steps out of order.
    for (const file of files.filter((name) => name !== 'loads.bin')) await truncate(join(run.path, file), 2 ** 31 + 7);
    expect(await loggedStep(run.path)).toBe(8);
    await (await run.openLogs(8, shape)).close();
    expect(await Promise.all(files.map((file) => readFile(join(run.path, file))))).toEqual(before);
  });

  it('starts its loads anew when not even the header was written', async () => {
    const run = await RunFolder.create(join(folder(), 'run'), {});
    await writeFile(join(run.path, 'loads.bin'), 'LPR');
    await writeSteps(run, 1, 2);
    expect(decodeLoads(await readFile(join(run.path, 'loads.bin'))).windows).toHaveLength(1);
  });

  it('gives back its metrics, less a last line that was cut', async () => {
    const run = await RunFolder.create(join(folder(), 'run'), {});
    expect(await readMetrics(run.path)).toEqual([]);
    await writeSteps(run, 1, 3);
    await appendFile(join(run.path, 'metrics.jsonl'), '{"step": 4');
    expect(await readMetrics(run.path)).toEqual([1, 2, 3].map((step) => metricsLine(step)));
  });

  it('goes on from as far as its metrics can be read without a break', async () => {
    const run = await RunFolder.create(join(folder(), 'run'), {});
    expect(await loggedStep(run.path)).toBe(0);
    for (const broken of ['null', '{"step":-1}', '{"step":"3"}', '{"step":1e300}', '{"step":3,"loss"', '']) {
      await writeFile(
        join(run.path, 'metrics.jsonl'),
        `${jsonLines(metricsLine(1), metricsLine(2))}${broken}\n{"step":4}\n`,
      );
      expect(await loggedStep(run.path)).toBe(2);
      // What follows is cut off before it is written anew.
      await (await run.openLogs(2, shape)).close();
      expect(await readFile(join(run.path, 'metrics.jsonl'), 'utf8')).toBe(jsonLines(metricsLine(1), metricsLine(2)));
    }
  });

  it('loses an evaluation of the step that it goes on from, to be made again', async () => {
    const run = await RunFolder.create(join(folder(), 'run'), {});
    const logs = await run.openLogs(0, shape);
    await logs.appendEvaluation(evaluationLine(2));
    const before = await readFile(join(run.path, 'events.out.tfevents.run'));
    await logs.appendEvaluation(evaluationLine(4, { final: true }));
    await logs.close();
    expect((await readEvaluations(run.path)).map(({ final }) => final)).toEqual([false, true]);
    await (await run.openLogs(4, shape)).close();
    expect(await readEvaluations(run.path)).toEqual([evaluationLine(2)]);
    expect(await readFile(join(run.path, 'events.out.tfevents.run'))).toEqual(before);
  });
});
