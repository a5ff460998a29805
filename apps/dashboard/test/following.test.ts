/** Runs that grow while they are read. */
import { appendFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServedFolder } from '../src/server/paths.ts';
import { FollowedRun } from '../src/server/run.ts';
import { RunStore } from '../src/server/store.ts';
import { evaluationLine, metricsLine, temporaryFolder, writeRun } from './folders.ts';

let folder: ServedFolder;
let remove: () => Promise<void>;
beforeEach(async () => {
  const temporary = await temporaryFolder();
  folder = await ServedFolder.at(temporary.path);
  remove = temporary.remove;
});
afterEach(() => remove());

describe('the runs of a folder', () => {
  it('are found also in comparisons, and what is wrong with one breaks no other', async () => {
    await writeRun(join(folder.root, 'compare-1', 'lpr'));
    await writeRun(join(folder.root, 'train-1'), 5);
    await writeRun(join(folder.root, 'broken'));
    await writeFile(join(folder.root, 'broken', 'loads.bin'), 'this is no file of loads at all');
    await writeFile(join(folder.root, 'broken', 'config.yaml'), 'a: [1');
    await writeFile(join(folder.root, 'broken', 'evaluations.jsonl'), '{"step":40}\n');
    await appendFile(join(folder.root, 'broken', 'metrics.jsonl'), '{"step":41,"lo\n');
    const store = new RunStore(folder, 'runs');
    const changes: string[] = [];
    await store.poll(({ runs }) => changes.push(...runs.map(({ id }) => id)));
    expect(changes).toEqual(['broken', 'compare-1/lpr', 'train-1']);
    const [broken, lpr, train] = store.list().runs;
    expect(lpr).toMatchObject({ name: 'lpr', group: 'compare-1', router: 'lpr', seed: 3, step: 40, totalSteps: 100 });
    expect(lpr).toMatchObject({
      status: 'stopped',
      problems: [],
      measures: { balance: { gini: 0.5 / 40 }, testLoss: null },
    });
    expect(train).toMatchObject({ group: '', step: 5, problems: [] });
    expect(broken!.step).toBe(40);
    expect(broken!.problems.map((problem) => problem.split(':')[0])).toEqual([
      'config.yaml',
      'loads.bin',
      'metrics.jsonl',
      'evaluations.jsonl',
    ]);
  });

  it('are finished with their final evaluation, whose loads alone are sent', async () => {
    await writeRun(join(folder.root, 'a'));
    const lines = [evaluationLine({ step: 20, final: false, loss: 6 }), evaluationLine()];
    await writeFile(join(folder.root, 'a', 'evaluations.jsonl'), lines[0]!);
    const run = new FollowedRun(folder, 'a');
    await run.poll();
    // Balance of a run that is not finished is that of its newest window.
    expect(run.summary()).toMatchObject({
      status: 'stopped',
      measures: { testLoss: 6, balance: { gini: 0.5 / 40 } },
    });
    await appendFile(join(folder.root, 'a', 'evaluations.jsonl'), lines[1]!);
    await run.poll();
    const { summary, evaluations } = await run.details();
    expect(summary.status).toBe('finished');
    expect(summary.measures.testLoss).toBe(5.25);
    expect(summary.measures.balance).toEqual(evaluations[1]!.balance!.mean);
    expect(evaluations.map(({ counts }) => counts?.length ?? null)).toEqual([null, 2]);
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

  it('are not found once they are gone, which the next poll tells although a request came before it', async () => {
    await writeRun(join(folder.root, 'a'));
    const store = new RunStore(folder, 'runs');
    const told: string[] = [];
    const poll = (): Promise<void> => store.poll(({ gone }) => told.push(...gone));
    await poll();
    const run = await store.run('a');
    expect(run?.id).toBe('a');
    expect(await store.run('a')).toBe(run);
    await rm(join(folder.root, 'a'), { recursive: true });
    expect(await store.run('a')).toBeUndefined();
    await mkdir(join(folder.root, 'a'));
    expect(await store.run('a')).toBeUndefined();
    await poll();
    await poll();
    expect(told).toEqual(['a']);
  });
});
