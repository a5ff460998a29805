/** Several processes train one run under a real `mpirun`: with the bits of one, also after one of them is killed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readlinkSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { decided } from './faults/decided.ts';
import { cleanUp, type Running, runTrainer, startTrainer } from './end-to-end-cli.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-ranks-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const TIMEOUT = 240_000;

/** What starts ranks, with the words before how many: of MPICH and of Open MPI. */
const launchers = [
  ['mpiexec.hydra'],
  ['mpirun.openmpi', '--allow-run-as-root', '--oversubscribe', '--mca', 'odls_base_sigkill_timeout', '20'],
].filter(([command]) => process.platform === 'linux' && spawnSync(command!, ['--version']).status === 0);

const note = launchers.length === 0 ? ' (skipped: no MPI is installed; Debian: mpich, openmpi-bin)' : '';
const [first = [], second = first] = launchers;

/** Have a process of Node say its exit code; its threads have none. */
const EXIT_CODES = [
  '--import',
  `data:text/javascript,${encodeURIComponent(
    "import { isMainThread } from 'node:worker_threads'; import { writeSync } from 'node:fs';" +
      "if (isMainThread) process.on('exit', (code) => writeSync(2, `rank ended with ${code}\\n`));",
  )}`,
];

function startRanks(
  launcher: readonly string[],
  ranks: number,
  args: readonly string[],
  flags: readonly string[] = [],
): Running {
  return startTrainer(args, undefined, { launcher: [...launcher, '-n', String(ranks)], flags });
}

/** The processes of ranks that train the run in a folder. */
function ranksOf(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((id) => {
      try {
        const words = readFileSync(`/proc/${id}/cmdline`, 'utf8').split('\0');
        return words.includes(folder) && basename(readlinkSync(`/proc/${id}/exe`)) === 'node';
      } catch {
        // It has ended meanwhile.
        return false;
      }
    })
    .map(Number);
}

function hasSaved(folder: string): boolean {
  try {
    return readdirSync(join(folder, 'checkpoints')).some((name) => name.startsWith('step-'));
  } catch {
    return false;
  }
}

/** Of all steps and evaluations. */
function lossesOf(folder: string): number[] {
  return ['metrics.jsonl', 'evaluations.jsonl'].flatMap((file) =>
    readFileSync(join(folder, file), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { loss: number }).loss),
  );
}

/** Of the gradients of each term, step after step. */
function normsOf(folder: string): number[] {
  return readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const { gradientNorms = {} } = JSON.parse(line) as { gradientNorms?: Record<string, Record<string, number>> };
      return Object.values(gradientNorms).flatMap((parts) => Object.values(parts));
    });
}

const args = [
  ...['--preset', 'tiny', '--steps', '24', '--threads', '1'],
  ...['--set', 'training.checkpointEvery=6', '--set', 'training.accumulation=4', '--set', 'data.batchSize=2'],
];

/** By what a step's whole batch decides in each: a selection bias, a loss of all loads, moving averages. */
const ROUTERS: Readonly<Record<string, readonly string[]>> = {
  'LPR, corrected': ['--router', 'lpr'],
  'LPR with moving averages': ['--router', 'lpr-paper', '--set', 'lpr.ema=hard'],
  'DeepSeek-V3 with its selection bias': ['--arch', 'deepseek-v3', '--router', 'top-k'],
  'Mixtral with its loss of the load': ['--arch', 'mixtral', '--router', 'top-k'],
};

describe.skipIf(launchers.length === 0)(`ranks under mpirun${note}`, () => {
  it.each(Object.entries(ROUTERS))(
    'end as one process does, after a kill -9 of one too, then with other numbers of ranks: %s',
    async (name, router) => {
      const folder = (kind: string): string => join(work, `${name.replaceAll(/\W+/g, '-')}-${kind}`);
      const [alone, killed] = [folder('alone'), folder('killed')];
      expect((await runTrainer(['train', ...args, ...router, '--out', alone])).code).toBe(0);

      const { child, outcome } = startRanks(first, 4, ['train', ...args, ...router, '--out', killed]);
      while (child.exitCode === null && !hasSaved(killed)) await setTimeout(5);
      const ranks = ranksOf(killed);
      if (child.exitCode === null) process.kill(ranks[Math.floor(Math.random() * ranks.length)]!, 'SIGKILL');
      const ended = await outcome;
      expect(ended.code, ended.stderr).not.toBe(0);
      expect(ranksOf(killed)).toEqual([]);

      const resumed = await startRanks(second, 2, ['resume', killed]).outcome;
      expect(resumed.code, resumed.stderr).toBe(0);
      expect(decided(killed)).toEqual(decided(alone));
    },
    TIMEOUT,
  );

  it.each(Object.entries(ROUTERS))(
    'own some experts each, with the losses of one process, after a kill -9 too, then with other numbers of ranks: %s',
    async (name, router) => {
      const folder = (kind: string): string => join(work, `${name.replaceAll(/\W+/g, '-')}-${kind}`);
      const [alone, shared] = [folder('all-experts'), folder('own-experts')];
      const few = [...args, ...router, '--steps', '12'];
      expect((await runTrainer(['train', ...few, '--out', alone])).code).toBe(0);

      const { child, outcome } = startRanks(second, 4, [
        ...['train', ...few, '--set', 'training.expertParallel=true', '--out', shared],
      ]);
      while (child.exitCode === null && !hasSaved(shared)) await setTimeout(5);
      const ranks = ranksOf(shared);
      if (child.exitCode === null) process.kill(ranks[Math.floor(Math.random() * ranks.length)]!, 'SIGKILL');
      const ended = await outcome;
      expect(ended.code, ended.stderr).not.toBe(0);
      expect(ranksOf(shared)).toEqual([]);

      const resumed = await startRanks(first, 2, ['resume', shared]).outcome;
      expect(resumed.code, resumed.stderr).toBe(0);
      const expected = lossesOf(alone);
      const got = lossesOf(shared);
      expect(got).toHaveLength(expected.length);
      for (const [i, loss] of got.entries()) expect(Math.abs(loss - expected[i]!)).toBeLessThan(1e-6);
    },
    TIMEOUT,
  );

  it.each(launchers)(
    'save and stop at Ctrl-C, with %s',
    async (...launcher) => {
      const folder = join(work, `stopped-${launcher[0]}`);
      const longer = ['train', ...args, '--steps', '5000', '--out', folder];
      const { child, outcome } = startRanks(launcher, 2, longer, EXIT_CODES);
      while (child.exitCode === null && !hasSaved(folder)) await setTimeout(5);
      child.kill('SIGINT');
      const { stderr } = await outcome;
      expect(stderr).toContain('stopped and saved. Go on with: pnpm trainer resume');
      // Of each rank, not of the launcher: Open MPI's is always 1, MPICH's is 0 after one Ctrl-C in five.
      expect(stderr.match(/rank ended with \d+/g)).toEqual(['rank ended with 130', 'rank ended with 130']);
      expect(ranksOf(folder)).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    'may be more than the experts, and measure the gradients of all: some own none',
    async () => {
      const [alone, shared] = [join(work, 'two-experts'), join(work, 'two-experts-shared')];
      const few = [
        ...[...args, '--steps', '6', '--set', 'size.experts=2', '--set', 'size.topK=1'],
        ...['--set', 'training.logEvery=2', '--set', 'training.gradientNormsEvery=1'],
      ];
      expect((await runTrainer(['train', ...few, '--out', alone])).code).toBe(0);
      const { code, stderr } = await startRanks(first, 4, [
        ...['train', ...few, '--set', 'training.expertParallel=true', '--out', shared],
      ]).outcome;
      expect(code, stderr).toBe(0);
      const [ours, theirs] = [lossesOf(shared), lossesOf(alone)];
      expect(ours).toHaveLength(theirs.length);
      for (const [i, loss] of ours.entries()) expect(Math.abs(loss - theirs[i]!)).toBeLessThan(1e-6);
      const [norms, expected] = [normsOf(shared), normsOf(alone)];
      expect(expected.length).toBeGreaterThan(10);
      expect(norms).toHaveLength(expected.length);
      for (const [i, norm] of norms.entries()) expect(norm).toBeCloseTo(expected[i]!, 4);
    },
    TIMEOUT,
  );

  it(
    'say what is wrong with the batches of a step, once',
    async () => {
      const folder = join(work, 'uneven');
      const { code, stderr } = await startRanks(first, 2, ['train', '--preset', 'tiny', '--out', folder]).outcome;
      expect(code).not.toBe(0);
      expect(stderr.match(/^error: .*/gm)).toEqual([
        'error: training.accumulation: got 1, expected a multiple of 2: the 2 ranks share the batches of a step out evenly; ' +
          '--set training.accumulation=2 --set data.batchSize=2 has as many sequences a step (4)',
      ]);
    },
    TIMEOUT,
  );
});
