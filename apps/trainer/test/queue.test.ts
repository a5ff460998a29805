import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readFailure } from '@lpr/runs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { failed, type Outcome, type PlannedRun } from '../src/pool/one-run.ts';
import { type Place, trainAll } from '../src/pool/queue.ts';
import { resolveSettings } from '../src/settings/resolve.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lpr-queue-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const settings = resolveSettings({ preset: 'tiny', config: [], set: [] });

function runs(...names: readonly string[]): PlannedRun[] {
  return names.map((name) => ({ name, folder, settings, origin: 'a.yaml', wantsBlocks: false }));
}

/** A place that gives what it is told to, each time the next, and then finishes all; it notes what it was given. */
function place(answers: Readonly<Record<string, readonly Outcome[]>>, given: string[]): Place {
  const times = new Map<string, number>();
  return {
    train: async ({ name }) => {
      given.push(name);
      await setTimeout(5);
      const time = times.get(name) ?? 0;
      times.set(name, time + 1);
      return answers[name]?.[time] ?? { kind: 'finished' };
    },
    close: async () => void given.push('closed'),
  };
}

it.runIf(existsSync('/proc/self'))('a run fails for what it failed of where its folder cannot be made', async () => {
  const [run] = runs('a') as [PlannedRun];
  const outcome = { kind: 'failed', reason: 'NaN' };
  expect(await failed({ ...run, folder: '/proc/none' }, 'NaN')).toEqual(outcome);
  expect(await failed({ ...run, folder: join(folder, 'deep') }, 'NaN')).toEqual(outcome);
  expect((await readFailure(join(folder, 'deep', 'a')))?.reason).toBe('NaN');
});

describe('a queue of runs', () => {
  it('trains all, in their order, in all places, each run once', async () => {
    const given: string[] = [];
    const told: string[] = [];
    const outcomes = await trainAll(runs('a', 'b', 'c', 'd', 'e'), [place({}, given), place({}, given)], {
      signal: new AbortController().signal,
      onOutcome: ({ name }) => told.push(name),
    });
    expect(given.filter((name) => name !== 'closed')).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(given.filter((name) => name === 'closed')).toHaveLength(2);
    expect([...outcomes].toSorted()).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => [name, { kind: 'finished' }]));
    expect(told.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('goes on after runs that fail, takes lost ones up again, and gives up on one that ends each process', async () => {
    const lost: Outcome = { kind: 'lost', reason: 'SIGKILL' };
    const answers = { a: [{ kind: 'failed', reason: 'NaN' }], b: [lost], c: [lost, lost, lost] } as const;
    const given: string[] = [];
    const outcomes = await trainAll(runs('a', 'b', 'c', 'd'), [place(answers, given)], {
      signal: new AbortController().signal,
      onOutcome: () => {},
    });
    expect(given).toEqual(['a', 'b', 'b', 'c', 'c', 'c', 'd', 'closed']);
    expect(outcomes.get('a')).toEqual({ kind: 'failed', reason: 'NaN' });
    expect(outcomes.get('b')).toEqual({ kind: 'finished' });
    expect(outcomes.get('c')).toMatchObject({ kind: 'failed', reason: expect.stringContaining('3 times') });
    expect((await readFailure(join(folder, 'c')))!.reason).toContain('SIGKILL');
  });

  it('waits for runs that other processes work on, and lets others go first', async () => {
    const lock = join(folder, 'a', 'lock');
    mkdirSync(join(folder, 'a'));
    writeFileSync(lock, JSON.stringify({ pid: process.ppid, host: hostname() }));
    const given: string[] = [];
    const told: [string, string][] = [];
    const all = trainAll(runs('a', 'b', 'c'), [place({ b: [{ kind: 'busy' }] }, given)], {
      signal: new AbortController().signal,
      onOutcome: ({ name }, { kind }) => told.push([name, kind]),
    });
    while (given.length < 3) await setTimeout(5);
    expect(readFileSync(lock, 'utf8')).toContain(String(process.ppid));
    expect(given).toEqual(['b', 'c', 'b']);
    rmSync(lock);
    await all;
    expect(given).toEqual(['b', 'c', 'b', 'a', 'closed']);
    expect(told).toEqual([
      ['a', 'busy'],
      ['b', 'busy'],
      ['c', 'finished'],
      ['b', 'finished'],
      ['a', 'finished'],
    ]);
  });

  it('begins none after it was stopped', async () => {
    const stop = new AbortController();
    const given: string[] = [];
    const outcomes = await trainAll(runs('a', 'b', 'c'), [place({ a: [{ kind: 'stopped' }] }, given)], {
      signal: stop.signal,
      onOutcome: () => stop.abort(),
    });
    expect(given).toEqual(['a', 'closed']);
    expect([...outcomes]).toEqual([['a', { kind: 'stopped' }]]);
  });
});
