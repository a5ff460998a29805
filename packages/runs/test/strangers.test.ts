/** Run folders from strangers: whatever lies in the place of a file costs that file, by its name, and no time. */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { newestCheckpoint, saveCheckpoint } from '../src/checkpoint.ts';
import { readComparison, readSummary } from '../src/comparison.ts';
import { readConfig } from '../src/config.ts';
import { sha256OfFile } from '../src/files.ts';
import { checkText } from '../src/identity.ts';
import { loggedStep } from '../src/logs.ts';
import { readNote } from '../src/note.ts';
import { filesIn } from '../src/run-files.ts';
import { RunFollower } from '../src/run-follower.ts';
import { readMetrics, readRun } from '../src/run.ts';
import { traceSteps } from '../src/traces.ts';
import { parseYaml } from '../src/yaml.ts';
import { evaluationLine, jsonLines, metricsLine, useFolder } from './lines.ts';

const folder = useFolder();
const DEEP = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
/** Below the most that a run's settings may have; reading them takes the square of their number. */
const MANY_KEYS = Array.from({ length: 12_000 }, (_, i) => `key${i}: value`).join('\n');
/** A hundred times as many values as characters. */
const UNFOLDING = `b: &b [${'0,'.repeat(20_000)}]\nc: [${'*b, '.repeat(99)}]`;
const nested = (inner: string, levels: number): string => `${'['.repeat(levels)}${inner}${']'.repeat(levels)}`;
const FILES = ['config.yaml', 'environment.json', 'metrics.jsonl', 'evaluations.jsonl', 'loads.bin', 'note.json'];

describe('YAML', () => {
  it.each([
    ['many keys', MANY_KEYS],
    ['anchors', Array.from({ length: 9000 }, (_, i) => `- &a${i} x\n- *a${i}`).join('\n')],
    ['tags', '!a '.repeat(80_000)],
    ['quotes', '"'.repeat(150_000)],
    ['growth', `a: &a [x, x]\nb: &b [${'*a, '.repeat(999)}]\nc: [${'*b, '.repeat(999)}]`],
    ['unfolding', UNFOLDING],
    ['an end', 'model: &m {self: *m}'],
    ['depth', '['.repeat(20_000)],
    ['length', `a: ${'x '.repeat(1e6)}`],
  ])('of a run that asks for more than its size comes to an end: %s', async (_, text) => {
    await writeFile(join(folder(), 'config.yaml'), text);
    await writeFile(join(folder(), 'metrics.jsonl'), jsonLines(metricsLine(1)));
    expect((await readRun(folder())).metrics.value).toHaveLength(1);
  });

  it.each([
    ['many keys', 'stopped after 0.0 seconds', { characters: MANY_KEYS.length, milliseconds: 1 }],
    ['length', 'more than such a file ever holds', { characters: 99, milliseconds: 60_000 }],
  ])('is refused beyond its limits: %s', (_, message, limits) =>
    expect(() => parseYaml(MANY_KEYS, limits)).toThrow(message),
  );

  it.each([
    [
      'a group',
      'model: &m {size: 1, self: *m}',
      'model.self: the alias stands for what holds it; write out what is meant',
    ],
    ['a list', 'seed: &a [*a]', 'seed.0: the alias stands for what holds it'],
    ['all of it', '&a [1, [*a]]', '1.0: the alias stands for what holds it'],
    [
      'many values',
      UNFOLDING,
      /^c\.\d+\.\d+: with what its aliases stand for it has more than 131072 values; name fewer/,
    ],
    ['levels', `a: &a ${nested('x', 300)}\nb: ${nested('*a', 300)}`, /^b\.0\.0.*\.\.\.: it is nested too deeply/],
  ])('is refused by the place where an alias has no end, or too far a one: %s', (_, text, message) =>
    expect(() => parseYaml(text)).toThrow(message),
  );

  it('may use aliases, and have a value for each character', () => {
    const shared = { width: [8, 16] };
    expect(parseYaml('a: &a {width: [8, 16]}\nb: *a\nc: [*a, *a]')).toEqual({
      a: shared,
      b: shared,
      c: [shared, shared],
    });
    const zeros = Array.from({ length: 140_000 }, () => 0);
    expect(parseYaml(JSON.stringify(zeros))).toEqual(zeros);
  });

  it('that a person hands over may hold the settings of many runs', () => {
    const runs = Object.fromEntries(
      Array.from({ length: 500 }, (_, i) => [`run-${i}`, { seed: i, size: { layers: 2 } }]),
    );
    expect(parseYaml(JSON.stringify(runs))).toEqual(runs);
  });
});

describe('JSON', () => {
  it('lines that hold something else are named, and the others read', async () => {
    const lines = ['null', '7', '"text"', '[]', DEEP, `{"step":${DEEP}}`, '{"step":-1}', '{"step":1e300}', '{}'];
    const good = jsonLines(metricsLine(1));
    await writeFile(join(folder(), 'metrics.jsonl'), `${lines.join('\n')}\n${good}`);
    await writeFile(join(folder(), 'evaluations.jsonl'), `${lines.join('\n')}\n${jsonLines(evaluationLine(1))}`);
    const { metrics, evaluations, problems } = await readRun(folder());
    expect([metrics.value?.length, evaluations.value?.length]).toEqual([1, 1]);
    expect(problems.filter((problem) => problem.includes('line 1 was left out'))).toHaveLength(2);
    expect(problems.filter((problem) => problem.includes('6 more lines were left out'))).toHaveLength(2);
    expect(await readMetrics(folder())).toHaveLength(1);
  });

  it.each(['null', DEEP, '{"models":7}', '{', '[null]'])('files that hold something else are named', async (text) => {
    await writeFile(join(folder(), 'summary.json'), text);
    await writeFile(join(folder(), 'environment.json'), text);
    await writeFile(join(folder(), 'metrics.jsonl'), jsonLines(metricsLine(1)));
    await expect(readSummary(folder())).rejects.toThrow(/summary\.json is damaged: /);
    expect((await readRun(folder())).environment).toBe(null);
    const step = join(folder(), 'checkpoints', 'step-000001');
    await mkdir(step, { recursive: true });
    await writeFile(join(step, 'state.json'), text);
    await expect(newestCheckpoint(join(folder(), 'checkpoints'), () => {})).rejects.toThrow(/step-000001 is damaged/);
    await writeFile(join(folder(), 'comparison.yaml'), text);
    await expect(readComparison(folder())).rejects.toThrow(/comparison\.yaml (is damaged|cannot be read)/);
  });
});

it('a checkpoint names no file outside of its folder', async () => {
  const root = join(folder(), 'checkpoints');
  const state = { format: 'lpr-checkpoint/1', step: 3, tokens: 3, window: { tokens: 0, counts: [] } } as const;
  const step = await saveCheckpoint(root, state, new Map([['model', 'weights']]), 1);
  const file = join(step, 'state.json');
  const { sha256, ...rest } = JSON.parse(await readFile(file, 'utf8')) as { sha256: Record<string, string> };
  await writeFile(join(root, 'outside'), 'weights');
  await writeFile(file, JSON.stringify({ ...rest, sha256: { ...sha256, '../outside': sha256['model'] } }));
  await expect(newestCheckpoint(root, () => {})).rejects.toThrow('names "../outside", which is no file of the folder');
});

describe.skipIf(process.platform === 'win32')('a pipe in the place of a file', () => {
  it('costs that file', async () => {
    for (const name of [...FILES, 'lock', 'comparison.yaml', 'summary.json', 'identity.json'])
      execFileSync('mkfifo', [join(folder(), name)]);
    await mkdir(join(folder(), 'traces'));
    execFileSync('mkfifo', [join(folder(), 'traces', 'step-000001.trace')]);
    const run = await readRun(folder());
    expect(run.metrics).toEqual({ missing: expect.stringMatching(/metrics\.jsonl: it is no regular file/) as string });
    expect(run.problems.join()).toMatch(/config\.yaml: it is no regular file/);
    expect(await traceSteps(run.files)).toEqual([1]);
    const follower = new RunFollower(filesIn(folder()));
    await follower.poll();
    expect(follower.problems.join()).toMatch(/loads\.bin: it is no regular file/);
    expect(follower.problems.join()).toMatch(/note\.json: it is no regular file/);
    await expect(readNote(folder())).rejects.toThrow(/note\.json: it is no regular file/);
    await expect(readConfig(folder())).rejects.toThrow(/no regular file/);
    await expect(readComparison(folder())).rejects.toThrow(/comparison\.yaml .*no regular file/);
    await expect(readSummary(folder())).rejects.toThrow(/summary\.json: it is no regular file/);
    await expect(checkText(folder(), { training: [], heldOut: [] })).rejects.toThrow(
      /identity\.json: it is no regular file/,
    );
    await expect(loggedStep(folder())).rejects.toThrow(/metrics\.jsonl: it is no regular file/);
    await expect(sha256OfFile(join(folder(), 'loads.bin'))).rejects.toThrow(/loads\.bin: it is no regular file/);
  });

  it('makes a checkpoint a damaged one', async () => {
    const root = join(folder(), 'checkpoints');
    const state = { format: 'lpr-checkpoint/1', step: 3, tokens: 3, window: { tokens: 0, counts: [] } } as const;
    for (const file of ['model', 'state.json']) {
      const step = await saveCheckpoint(root, state, new Map([['model', 'weights']]), 1);
      await rm(join(step, file));
      execFileSync('mkfifo', [join(step, file)]);
      await expect(newestCheckpoint(root, () => {})).rejects.toThrow(
        new RegExp(`cannot read ${file} .*no regular file`),
      );
    }
  });
});
