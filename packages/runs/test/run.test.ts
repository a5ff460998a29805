/** Runs as they are read: whole, half written, damaged, followed. */
import { execFileSync } from 'node:child_process';
import { appendFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeEnvironment } from '../src/environment.ts';
import { filesIn } from '../src/run-files.ts';
import { RunFolder } from '../src/run-folder.ts';
import { RunFollower } from '../src/run-follower.ts';
import { findRuns, readRun, readRuns } from '../src/run.ts';
import { evaluationLine, jsonLines, loadsFile, metricsLine, SHAPE, useFolder, windowOf } from './lines.ts';

const folder = useFolder();

async function writeRun(path: string, steps = 20): Promise<void> {
  const run = await RunFolder.create(path, { router: 'lpr', seed: 3, training: { steps: 30 } });
  await run.recordEnvironment(describeEnvironment({ description: 'wasm', threads: 2 }, {}, null));
  const logs = await run.openLogs(0, SHAPE);
  for (let step = 1; step <= steps; step++) {
    await logs.appendStep(metricsLine(step), step % 10 === 0 ? windowOf(step / 10 - 1) : undefined);
  }
  await logs.appendEvaluation(evaluationLine(steps));
  await logs.close();
  await run.close();
}

const path = (file: string): string => join(folder(), 'run', file);

describe('a run', () => {
  it('is read as it was written', async () => {
    await writeRun(join(folder(), 'run'));
    const run = await readRun(join(folder(), 'run'));
    expect(run.settings).toEqual({ router: 'lpr', seed: 3, training: { steps: 30 } });
    expect(run).toMatchObject({ name: 'run', facts: { router: 'lpr', seed: 3, steps: 30 }, problems: [] });
    expect(run.environment).toMatchObject({ device: 'wasm', threads: 2 });
    expect(run.metrics.value).toEqual(Array.from({ length: 20 }, (_, i) => metricsLine(i + 1)));
    expect(run.evaluations.value).toEqual([evaluationLine(20)]);
    expect(run.loads.value!.windows.map(({ step }) => step)).toEqual([10, 20]);
  });

  it('may lack any file, or have one that is still empty', async () => {
    await mkdir(join(folder(), 'run'));
    expect(await readRun(join(folder(), 'run'))).toMatchObject({
      facts: { router: null },
      environment: null,
      metrics: { missing: 'metrics.jsonl holds no step yet' },
      evaluations: { missing: 'evaluations.jsonl holds no evaluation yet' },
      loads: { missing: 'loads.bin is missing' },
      problems: [],
    });
    await writeFile(path('loads.bin'), loadsFile(0));
    expect((await readRun(join(folder(), 'run'))).loads).toEqual({ missing: 'loads.bin holds no whole window yet' });
  });

  it('that was killed while it wrote is there up to that, without a word', async () => {
    await writeRun(join(folder(), 'run'));
    await appendFile(path('metrics.jsonl'), '{"step": 21, "lo');
    await appendFile(path('evaluations.jsonl'), '{"st');
    await appendFile(path('loads.bin'), new Uint8Array(20));
    const { metrics, evaluations, loads, problems } = await readRun(join(folder(), 'run'));
    expect([metrics.value!.length, evaluations.value!.length, loads.value!.windows.length]).toEqual([20, 1, 2]);
    expect(problems).toEqual([]);
  });

  it('loses lines that are none, each named, and hangs at none', async () => {
    await writeRun(join(folder(), 'run'), 2);
    await appendFile(path('metrics.jsonl'), `{"step":-1}\nnull\n{"step":1e300}\n"x"\n${jsonLines(metricsLine(3))}`);
    const { metrics, problems } = await readRun(join(folder(), 'run'));
    expect(metrics.value!.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(problems).toEqual([
      expect.stringMatching(/^metrics\.jsonl: line 3 was left out: step: Too small/),
      expect.stringMatching(/^metrics\.jsonl: line 4 was left out: /),
      expect.stringMatching(/^metrics\.jsonl: line 5 was left out: step: /),
      'metrics.jsonl: 1 more line was left out',
    ]);
  });

  it('has the later lines where steps repeat', async () => {
    await writeRun(join(folder(), 'run'), 3);
    await appendFile(path('metrics.jsonl'), jsonLines(metricsLine(2, { loss: 7 })));
    const { metrics } = await readRun(join(folder(), 'run'));
    expect(metrics.value!.map(({ step, loss }) => [step, loss])).toEqual([
      [1, 1],
      [2, 7],
    ]);
  });

  it('of an earlier version is told from one of this, by file and line', async () => {
    await writeRun(join(folder(), 'run'), 1);
    const worst = { gini: 0.5, minMax: 0 };
    await appendFile(path('metrics.jsonl'), jsonLines({ ...metricsLine(2), gini: 0.25, minMax: 0.5, worst }));
    const { counts: _, balance: __, ...old } = evaluationLine(2);
    await writeFile(path('evaluations.jsonl'), jsonLines({ ...old, gini: 0.25, minMax: 0.5, worst }));
    const run = await readRun(join(folder(), 'run'));
    expect(run.problems).toEqual([
      'metrics.jsonl: line 2 was written by another version of this program, with gini, minMax, worst, and was left out',
      'evaluations.jsonl: line 1 was written by another version of this program, with gini, minMax, worst, and was left out',
    ]);
  });

  it('has files that are damaged, each named', async () => {
    await writeRun(join(folder(), 'run'));
    await writeFile(path('config.yaml'), 'a: [');
    await writeFile(path('loads.bin'), 'something else that is long enough');
    await writeFile(path('environment.json'), '{');
    const run = await readRun(join(folder(), 'run'));
    expect(run.problems).toEqual([expect.stringMatching(/^config\.yaml: /)]);
    expect(run.loads).toEqual({ missing: expect.stringMatching(/^loads\.bin: not a file of expert loads/) });
    expect(run.environment).toBeNull();
    expect(run.metrics.value).toHaveLength(20);
  });

  it.skipIf(process.platform === 'win32')(
    'has files alone: a pipe in place of one does not hold up its reader',
    async () => {
      await writeRun(join(folder(), 'run'));
      await rm(path('metrics.jsonl'));
      execFileSync('mkfifo', [path('metrics.jsonl')]);
      const { metrics } = await readRun(join(folder(), 'run'));
      expect(metrics).toEqual({ missing: 'metrics.jsonl: it is no regular file' });
    },
  );
});

describe('runs', () => {
  it('are found in a folder, or the folder is one', async () => {
    for (const name of ['b', 'a', 'deep/er/c']) await writeRun(join(folder(), name), 1);
    await mkdir(join(folder(), 'empty'));
    expect(await findRuns(folder())).toEqual(['a', 'b']);
    expect(await findRuns(folder(), { depth: 3 })).toEqual(['a', 'b', 'deep/er/c']);
    expect(await findRuns(join(folder(), 'a'))).toEqual(['.']);
    expect((await readRuns(folder())).map(({ name }) => name)).toEqual(['a', 'b']);
    await writeFile(join(folder(), 'comparison.yaml'), 'runs: {b: {}, gone: {}}');
    expect((await readRuns(folder())).map(({ name }) => name)).toEqual(['b', 'a']);
    await writeFile(join(folder(), 'comparison.yaml'), 'runs: [');
    expect((await readRuns(folder())).map(({ name }) => name)).toEqual(['a', 'b']);
    await expect(readRuns(join(folder(), 'empty'))).rejects.toThrow('is no run folder');
    await expect(readRuns(join(folder(), 'none'))).rejects.toThrow(/^cannot read the run folder .*ENOENT/);
  });
});

describe('a run that is followed', () => {
  it('is read once, and again where it grew, was cut back or changed', async () => {
    await writeRun(join(folder(), 'run'));
    const opened: string[] = [];
    const files = filesIn(join(folder(), 'run'));
    const run = new RunFollower({ ...files, open: (file) => (opened.push(file), files.open(file)) });
    expect(run.isRead).toBe(false);
    await run.poll();
    expect(run).toMatchObject({ isRead: true, isLocked: false, settings: { seed: 3 }, problems: [] });
    expect([run.metrics.step, run.metrics.last('loss'), run.evaluations.length]).toEqual([20, 1 / 20, 1]);
    expect(await run.loads()).toMatchObject({ ...SHAPE, windows: 2, windowTokens: 2560 });
    // Nothing is reached but through what it was given.
    expect(new Set(opened)).toEqual(
      new Set(['config.yaml', 'note.json', 'metrics.jsonl', 'evaluations.jsonl', 'loads.bin', 'lock']),
    );
    const { version } = run;
    await run.poll();
    expect(run.version).toBe(version);
    await appendFile(path('metrics.jsonl'), `${jsonLines(metricsLine(21))}null\n`);
    await writeFile(path('lock'), JSON.stringify({ pid: process.pid, host: 'elsewhere' }));
    await run.poll();
    expect(run.version).not.toBe(version);
    expect(run).toMatchObject({ isLocked: true, metrics: { step: 21 } });
    expect(run.problems).toEqual([expect.stringMatching(/^metrics\.jsonl: line 22 was left out: /)]);
    const before = await readFile(path('metrics.jsonl'), 'utf8');
    await writeFile(path('metrics.jsonl'), before.split('\n').slice(0, 5).join('\n').concat('\n'));
    await writeFile(path('evaluations.jsonl'), '');
    await run.poll();
    expect([run.metrics.step, run.evaluations.length, run.problems]).toEqual([5, 0, []]);
  });

  it.each(['config.yaml', 'note.json', 'metrics.jsonl', 'evaluations.jsonl', 'loads.bin'])(
    'has a problem with %s as long as that cannot be read, and no longer',
    async (file) => {
      await writeRun(join(folder(), 'run'));
      await writeFile(path('note.json'), '{"text":"x","tags":[]}');
      const run = new RunFollower(filesIn(join(folder(), 'run')));
      await run.poll();
      expect(run.problems).toEqual([]);
      await rename(path(file), path('elsewhere'));
      await mkdir(path(file));
      await run.poll();
      expect(run.problems).toEqual([expect.stringMatching(`^${file}: it is no regular file`)]);
      const { version } = run;
      await rm(path(file), { recursive: true });
      await rename(path('elsewhere'), path(file));
      await run.poll();
      expect(run).toMatchObject({ problems: [], settings: { seed: 3 }, note: { text: 'x' }, metrics: { step: 20 } });
      expect(run.version).toBeGreaterThan(version);
      await rm(path(file));
      await mkdir(path(file));
      await run.poll();
      await rm(path(file), { recursive: true });
      await run.poll();
      expect(run.problems).toEqual([]);
    },
  );

  it.each(['config.yaml', 'note.json', 'loads.bin'])(
    'has a problem with %s as long as that is damaged',
    async (file) => {
      await mkdir(join(folder(), 'run'));
      await writeFile(path(file), '[no file of this name: '.repeat(2));
      const run = new RunFollower(filesIn(join(folder(), 'run')));
      for (let poll = 0; poll < 2; poll++) {
        await run.poll();
        expect(run.problems).toEqual([expect.stringMatching(`^${file}: `)]);
      }
      await rm(path(file));
      await run.poll();
      expect(run.problems).toEqual([]);
    },
  );

  it('has nothing of the run that was in its folder before', async () => {
    await writeRun(join(folder(), 'run'));
    const run = new RunFollower(filesIn(join(folder(), 'run')));
    await run.poll();
    await rm(join(folder(), 'run'), { recursive: true });
    await mkdir(join(folder(), 'run'));
    await writeFile(path('metrics.jsonl'), jsonLines(metricsLine(1)));
    await run.poll();
    expect(run).toMatchObject({ settings: null, metrics: { step: 1 }, evaluations: [], problems: [] });
  });
});
