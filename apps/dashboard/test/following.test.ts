/** Files that grow while they are read. */
import { appendFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeLoads } from '@lpr/metrics';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JsonLines } from '../src/server/json-lines.ts';
import { loadsInfo, readWindows } from '../src/server/loads.ts';
import { RecordedMetrics } from '../src/server/metrics.ts';
import { ServedFolder } from '../src/server/paths.ts';
import { FollowedRun } from '../src/server/run.ts';
import { RecordedSeries } from '../src/server/series.ts';
import { RunStore } from '../src/server/store.ts';
import { loadsFile, metricsLine, SHAPE, temporaryFolder, windowOf, writeRun } from './folders.ts';

let folder: ServedFolder;
let remove: () => Promise<void>;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = await ServedFolder.at(temporary.path);
  remove = temporary.remove;
});
afterEach(() => remove());

describe('JSON lines that another process appends', () => {
  const path = (): string => join(folder.root, 'lines.jsonl');
  function follow(): { file: JsonLines; lines: unknown[] } {
    const lines: unknown[] = [];
    const reader = { line: (value: unknown) => lines.push(value), reset: () => (lines.length = 0) };
    return { file: new JsonLines(folder, 'lines.jsonl', reader), lines };
  }

  it('are each read once, whatever pieces they are written in', async () => {
    const value = fc.oneof(
      fc.integer(),
      fc.string(),
      fc.record({ step: fc.nat(), name: fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', 'é', '😀') }) }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { maxLength: 20 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        async (values, cuts) => {
          await writeFile(path(), '');
          const { file, lines } = follow();
          const bytes = Buffer.from(values.map((each) => `${JSON.stringify(each)}\n`).join(''));
          const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
            (a, b) => a - b,
          );
          for (const [i, place] of places.entries()) {
            await appendFile(path(), bytes.subarray(place, places[i + 1] ?? bytes.length));
            await file.poll();
          }
          expect(lines).toEqual(JSON.parse(JSON.stringify(values)));
          expect(file.offset).toBe(bytes.length);
          expect(file.problems).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are read on from where reading ended', async () => {
    const { file, lines } = follow();
    expect(await file.poll()).toBe(false);
    await writeFile(path(), '{"step":1}\n{"step":2}\n{"st');
    expect(await file.poll()).toBe(true);
    expect(await file.poll()).toBe(false);
    expect(file.offset).toBe(22);
    // What was read is not looked at again: a change there that leaves the end alone goes unseen.
    const long = '{"step":3}\n'.repeat(100);
    await writeFile(path(), `{"step":1}\n{"step":2}\n${long}`);
    await file.poll();
    await writeFile(path(), `{"step":9}\n{"step":2}\n${long}{"step":4}\n`);
    await file.poll();
    expect(lines).toHaveLength(103);
    expect(lines[0]).toEqual({ step: 1 });
    expect(lines.at(-1)).toEqual({ step: 4 });
  });

  it('start anew where the file was cut back, also when it has grown past that since', async () => {
    const { file, lines } = follow();
    await writeFile(path(), '{"step":1}\n{"step":2}\n{"step":3}\n');
    await file.poll();
    await truncate(path(), 11);
    await file.poll();
    expect(lines).toEqual([{ step: 1 }]);
    await writeFile(path(), '{"step":1}\n{"step":5}\n{"step":6}\n{"step":7}\n');
    await file.poll();
    expect(lines).toEqual([1, 5, 6, 7].map((step) => ({ step })));
  });

  it('that are none are told of and passed over', async () => {
    const { file, lines } = follow();
    await writeFile(path(), '{"step":1}\nnonsense <script>\n\n{"step":2}\n');
    await file.poll();
    expect(lines).toEqual([{ step: 1 }, { step: 2 }]);
    expect(file.problems).toEqual(['line 2 is no JSON: nonsense <script>']);
    await appendFile(path(), 'bad\n'.repeat(5));
    await file.poll();
    expect(file.problems).toHaveLength(4);
    expect(file.problems.at(-1)).toBe('3 more lines are no JSON');
  });

  it('without an end are refused before they fill the memory', async () => {
    const { file } = follow();
    await writeFile(path(), Buffer.alloc(6e6, 'x'));
    await expect(file.poll()).rejects.toThrow('line 1 is longer than 4194304 bytes');
  });
});

describe('a recorded series', () => {
  it('gives at most so many points, whose mean is that of the values', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 50 }),
        (values, points) => {
          const series = new RecordedSeries();
          for (const [i, value] of values.entries()) series.push(i + 1, value);
          const { steps, values: means } = series.points(points);
          expect(steps.length).toBe(means.length);
          expect(steps.length).toBeLessThanOrEqual(points);
          const perPoint = Math.ceil(values.length / points);
          const sum = means.reduce(
            (total, mean, i) => total + mean * Math.min(perPoint, values.length - i * perPoint),
            0,
          );
          const expected = values.reduce((total, value) => total + value, 0);
          expect(Math.abs(sum - expected)).toBeLessThanOrEqual(
            1e-9 * values.reduce((total, value) => total + Math.abs(value), 1),
          );
        },
      ),
    );
  });

  it('gives every value where there is room, and only those between two steps', () => {
    const series = new RecordedSeries();
    for (let step = 10; step <= 100; step += 10) series.push(step, step / 10);
    expect(series.points(10)).toEqual({
      steps: [10, 20, 30, 40, 50, 60, 70, 80, 90, 100],
      values: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    });
    expect(series.points(10, 80)).toEqual({ steps: [80, 90, 100], values: [8, 9, 10] });
    expect(series.points(1, 85)).toEqual({ steps: [95], values: [9.5] });
    expect(series.count(101)).toBe(0);
  });

  it('forgets what a resumed run does again', () => {
    const series = new RecordedSeries();
    for (const [step, value] of [
      [1, 1],
      [2, 2],
      [3, 3],
      [2, 20],
      [3, 30],
    ] as const)
      series.push(step, value);
    expect(series.points(10)).toEqual({ steps: [1, 2, 3], values: [1, 20, 30] });
  });
});

describe('metrics', () => {
  it('become a series a figure, terms summed over layers, and nothing else does', () => {
    const metrics = new RecordedMetrics();
    metrics.line(JSON.parse(metricsLine(10)));
    metrics.line({ step: 11, loss: null, phases: { router: 3, idle: 'long' }, gradientNorms: { task: { router: 2 } } });
    for (const odd of [null, 'text', [1], { loss: 3 }, { step: '4', loss: 3 }]) metrics.line(odd);
    const { series, valuesPerPoint } = metrics.file(100);
    expect(valuesPerPoint).toBe(1);
    expect(series['loss']).toEqual({ steps: [10], values: [5.9] });
    expect(series['worst.gini']).toEqual({ steps: [10], values: [0.6] });
    expect(series['term.diversity']!.values[0]).toBeCloseTo(0.3, 12);
    expect(series['phase.router']).toEqual({ steps: [11], values: [3] });
    expect(series['norm.task.router']).toEqual({ steps: [11], values: [2] });
    expect(series['phase.idle']).toBeUndefined();
    expect(metrics.step).toBe(11);
  });
});

describe('windows of loads', () => {
  it('are those of the whole file', async () => {
    const file = loadsFile(23);
    await writeFile(join(folder.root, 'loads.bin'), file);
    expect(await loadsInfo(folder, 'loads.bin')).toEqual({ ...SHAPE, windows: 23, windowTokens: 2560 });
    await fc.assert(
      fc.asyncProperty(
        fc.nat(22),
        fc.nat(22),
        fc.integer({ min: 1, max: 30 }),
        fc.option(fc.nat(1)),
        async (a, b, points, layer) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)];
          const bytes = await readWindows(folder, 'loads.bin', { from, to, points, ...(layer !== null && { layer }) });
          const { shape, windows } = decodeLoads(bytes);
          expect(shape.layers).toBe(layer === null ? 2 : 1);
          expect(windows.length).toBeLessThanOrEqual(points);
          expect(windows.at(-1)!.step).toBe(windowOf(to).step);
          for (const window of windows) {
            const whole = decodeLoads(file).windows.find(({ step }) => step === window.step)!;
            expect(window.counts).toEqual(layer === null ? whole.counts : [whole.counts[layer]]);
          }
          if (points >= to - from + 1) expect(windows).toHaveLength(to - from + 1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('that are not there, or half written, are not made up', async () => {
    await writeFile(join(folder.root, 'loads.bin'), loadsFile(3).subarray(0, -5));
    expect(await loadsInfo(folder, 'loads.bin')).toMatchObject({ windows: 2 });
    const range = { from: 0, to: 2, points: 10 };
    await expect(readWindows(folder, 'loads.bin', range)).rejects.toThrow(
      'windows 0 to 2 are not there; the run has 2',
    );
    await expect(readWindows(folder, 'loads.bin', { ...range, to: 1, layer: 2 })).rejects.toThrow(
      'layer 2 is not there',
    );
    await writeFile(join(folder.root, 'loads.bin'), loadsFile(0).subarray(0, 10));
    expect(await loadsInfo(folder, 'loads.bin')).toBeNull();
  });
});

describe('the runs of a folder', () => {
  it('are found also in comparisons, and what is wrong with one breaks no other', async () => {
    await writeRun(join(folder.root, 'compare-1', 'lpr'));
    await writeRun(join(folder.root, 'train-1'), 5);
    await writeRun(join(folder.root, 'broken'));
    await writeFile(join(folder.root, 'broken', 'loads.bin'), 'this is no file of loads at all');
    await writeFile(join(folder.root, 'broken', 'config.yaml'), 'a: [1');
    await writeFile(join(folder.root, 'broken', 'evaluation.json'), '{"evaluation":');
    await appendFile(join(folder.root, 'broken', 'metrics.jsonl'), '{"step":41,"lo\n');
    const store = new RunStore(folder, 'runs');
    const changes: string[] = [];
    await store.poll(({ runs }) => changes.push(...runs.map(({ id }) => id)));
    expect(changes).toEqual(['broken', 'compare-1/lpr', 'train-1']);
    const [broken, lpr, train] = store.list().runs;
    expect(lpr).toMatchObject({ name: 'lpr', group: 'compare-1', router: 'lpr', seed: 3, step: 40, totalSteps: 100 });
    expect(lpr).toMatchObject({ status: 'stopped', problems: [], figures: { gini: 0.5 / 40, testLoss: null } });
    expect(train).toMatchObject({ group: '', step: 5, problems: [] });
    expect(broken!.step).toBe(40);
    expect(broken!.problems.map((problem) => problem.split(':')[0])).toEqual([
      'config.yaml',
      'evaluation.json',
      'loads.bin',
      'metrics.jsonl',
    ]);
  });

  it('may vanish while they are read', async () => {
    await writeRun(join(folder.root, 'a'));
    const run = new FollowedRun(folder, 'a');
    await run.poll();
    await remove();
    await run.poll();
    expect(run.summary()).toMatchObject({ status: 'stopped', step: 0 });
    expect(await run.details()).toMatchObject({ loads: null, files: [], traces: [] });
  });

  it('are told of when they change, and when they are gone', async () => {
    await writeRun(join(folder.root, 'a'), 10);
    const store = new RunStore(folder, 'runs');
    const told: unknown[] = [];
    const poll = (): Promise<void> =>
      store.poll(({ runs, gone }) =>
        told.push(...runs.map(({ id, step }) => `${id} ${step}`), ...gone.map((id) => `no ${id}`)),
      );
    await poll();
    await poll();
    expect(told).toEqual(['a 10']);
    await appendFile(join(folder.root, 'a', 'metrics.jsonl'), metricsLine(11));
    // A page that asks for the run takes no news from the others.
    await store.run('a');
    await poll();
    await remove();
    await poll();
    expect(told).toEqual(['a 10', 'a 11', 'no a']);
  });
});
