/** Runs that were stopped, killed or damaged go on from the command line as if nothing had happened, or say why not. */
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { finalEvaluation, readEvaluations, readSummary } from '@lpr/runs';
import { afterAll, describe, expect, it } from 'vitest';
import { decided } from './faults/decided.ts';
import { unfinish } from './faults/damage.ts';
import { cleanUp, runTrainer, startTrainer } from './end-to-end-cli.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-resume-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const TIMEOUT = 120_000;

const args = ['--preset', 'tiny', '--steps', '30', '--set', 'training.checkpointEvery=7'];

describe('resume', () => {
  it(
    'gives the same bits after kill -9 at any moment, with another number of threads',
    async () => {
      const whole = join(work, 'whole');
      expect((await runTrainer(['train', ...args, '--out', whole, '--threads', '2'])).code).toBe(0);

      const killed = join(work, 'killed');
      let attempt = startTrainer(['train', ...args, '--out', killed, '--threads', '1']);
      // At any moment of its first steps, then right after it saved one, and while it goes on from that.
      for (let kills = 0; kills < 3; kills++) {
        const reached = (): boolean => (kills === 1 ? savedSteps(killed) > 0 : metricsBytes(killed) !== before);
        const before = metricsBytes(killed);
        while (attempt.child.exitCode === null && !reached()) await setTimeout(5);
        await setTimeout(Math.random() * 100);
        attempt.child.kill('SIGKILL');
        await attempt.outcome;
        attempt = startTrainer(['resume', killed, '--threads', String(1 + (kills % 2))]);
      }
      expect((await attempt.outcome).code).toBe(0);
      expect(decided(killed)).toEqual(decided(whole));
      expect(existsSync(join(killed, 'lock'))).toBe(false);
    },
    TIMEOUT,
  );

  it(
    'takes up what Ctrl-C saved, in a comparison too',
    async () => {
      const whole = join(work, 'compare-whole');
      expect((await runTrainer(['compare', ...args, '--out', whole])).code).toBe(0);
      const stopped = join(work, 'compare-stopped');
      const { child, outcome } = startTrainer(['compare', ...args, '--out', stopped]);
      while (child.exitCode === null && metricsBytes(join(stopped, 'lpr')) === 0) await setTimeout(5);
      child.kill('SIGINT');
      const { code, stderr } = await outcome;
      expect(code).toBe(130);
      expect(stderr).toContain('trainer resume');
      expect(existsSync(join(stopped, 'summary.json'))).toBe(false);
      expect(readdirSync(join(stopped, 'lpr', 'checkpoints'))).not.toEqual([]);

      expect((await runTrainer(['resume', stopped])).code).toBe(0);
      for (const name of ['top-k', 'lpr']) {
        const [a, b] = [decided(join(stopped, name)), decided(join(whole, name))];
        // The checkpoint of the stop itself may be among those that are kept.
        const logged = (files: Record<string, string>): [string, string][] =>
          Object.entries(files).filter(([name]) => !name.startsWith('checkpoints'));
        expect(logged(a)).toEqual(logged(b));
        const model = (folder: string): Buffer =>
          readFileSync(join(folder, name, 'checkpoints', 'step-000030', 'model.safetensors'));
        expect(model(stopped).equals(model(whole))).toBe(true);
      }
    },
    TIMEOUT,
  );

  it(
    'goes on with a comparison at equal cost after kill -9, in other processes too',
    async () => {
      const equal = ['compare', '--preset', 'tiny', '--steps', '12', '--router', 'denseMixture', '--equal-flops'];
      const start = [...equal, '--seeds', '2', '--set', 'training.checkpointEvery=3'];
      const whole = join(work, 'equal-whole');
      const { code, stdout } = await runTrainer([...start, '--out', whole]);
      expect(code).toBe(0);
      expect(stdout).toMatch(/means over 2 seeds \(0, 1\)/);
      expect(stdout).toMatch(/(?:All trainings took as many FLOPs|FLOPs of the whole training, as it ran, differ)/);
      const { models } = await readSummary(whole);
      const [own, dense] = ['top-k-0', 'denseMixture-0'].map((run) => models.find(({ name }) => name === run)!);
      expect(own!.steps).toBe(12);
      expect(dense!.steps).toBeLessThan(12);
      // A whole step is the nearest that it can come.
      expect(Math.abs(dense!.trainingFlops! / own!.trainingFlops! - 1)).toBeLessThan(0.5 / dense!.steps + 1e-6);

      const killed = join(work, 'equal-killed');
      const { child, outcome } = startTrainer([...start, '--out', killed]);
      while (child.exitCode === null && savedSteps(join(killed, 'denseMixture-0')) === 0) await setTimeout(5);
      child.kill('SIGKILL');
      await outcome;
      expect(existsSync(join(killed, 'summary.json'))).toBe(false);
      const finished = statSync(join(killed, 'top-k-0', 'metrics.jsonl')).mtimeMs;
      expect((await startTrainer(['resume', killed, '--parallel', '2']).outcome).code).toBe(0);
      expect(statSync(join(killed, 'top-k-0', 'metrics.jsonl')).mtimeMs).toBe(finished);
      for (const { name } of models) expect(decided(join(killed, name))).toEqual(decided(join(whole, name)));
      expect((await readSummary(killed)).settings).toEqual((await readSummary(whole)).settings);
    },
    TIMEOUT,
  );

  it.each([
    ['a closed terminal', ['SIGHUP']],
    ['a request to end', ['SIGTERM', 'SIGTERM']],
    ['the end of the time of a job', ['SIGUSR1', 'SIGCONT', 'SIGTERM']],
    // A program in between that ends first hands the key on, and closes the terminal.
    ['Ctrl-C below a program that leads the session', ['SIGINT', 'SIGINT', 'SIGHUP', 'SIGTERM']],
  ] as const)(
    'saves at %s',
    async (name, signals) => {
      const run = join(work, `stopped by ${name}`);
      const { child, outcome } = await startUnsaved(run);
      child.stdout!.destroy();
      for (const signal of signals) {
        child.kill(signal);
        await setTimeout(1);
      }
      const { code, stderr } = await outcome;
      expect(stderr).toContain('stopped and saved');
      expect(code).toBe(130);
      expect(readdirSync(join(run, 'checkpoints'))).toHaveLength(1);
      expect(existsSync(join(run, 'lock'))).toBe(false);
    },
    TIMEOUT,
  );

  it(
    'repeats no finished seed after kill -9, and takes up runs that were made elsewhere',
    async () => {
      const seeds = ['train', ...args, '--router', 'lpr', '--seeds', '0,2'];
      const whole = join(work, 'seeds-whole');
      const { code, stdout } = await runTrainer([...seeds, '--out', whole]);
      expect(code).toBe(0);
      expect(stdout).toContain('means over 2 seeds (0, 2)');
      const { models, settings } = await readSummary(whole);
      expect(models.map(({ name, seed }) => [name, seed])).toEqual([
        ['lpr-0', 0],
        ['lpr-2', 2],
      ]);
      expect(settings).toMatchObject([{ name: 'lpr', runs: ['lpr-0', 'lpr-2'], errorsOf: 'seeds' }]);

      const killed = join(work, 'seeds-killed');
      const { child, outcome } = startTrainer([...seeds, '--out', killed]);
      while (child.exitCode === null && metricsBytes(join(killed, 'lpr-2')) === 0) await setTimeout(5);
      child.kill('SIGKILL');
      await outcome;
      const written = (): number => statSync(join(killed, 'lpr-0', 'metrics.jsonl')).mtimeMs;
      const finished = written();
      const resumed = await runTrainer(['resume', killed]);
      expect(resumed.code).toBe(0);
      expect(written()).toBe(finished);
      expect(resumed.stderr).not.toContain('run=lpr-0 step');
      for (const run of ['lpr-0', 'lpr-2']) expect(decided(join(killed, run))).toEqual(decided(join(whole, run)));

      const adopting = join(work, 'seeds-adopting');
      mkdirSync(adopting);
      for (const name of ['sweep.yaml', 'lpr-2']) cpSync(join(whole, name), join(adopting, name), { recursive: true });
      const adopted = await runTrainer(['resume', adopting, '--threads', '1']);
      expect(adopted.code).toBe(0);
      expect(adopted.stderr).toContain('run=lpr-0 step');
      expect(adopted.stderr).not.toContain('run=lpr-2 step');
      expect((await readSummary(adopting)).settings).toEqual(settings);
    },
    TIMEOUT,
  );

  it(
    'saves at Ctrl-C though what read its output has ended by that too, as tee does',
    async () => {
      const run = join(work, 'without-reader');
      const { child, outcome } = await startUnsaved(run);
      child.stdout!.destroy();
      child.stderr!.destroy();
      child.kill('SIGINT');
      expect((await outcome).code).toBe(130);
      expect(readdirSync(join(run, 'checkpoints'))).toHaveLength(1);
    },
    TIMEOUT,
  );

  it(
    'goes on with, and evaluates on, the text that the run began with and no other',
    async () => {
      const [run, file] = [join(work, 'changing'), join(work, 'changing.txt')];
      const write = (word: string): void =>
        writeFileSync(
          file,
          Array.from({ length: 400 }, (_, i) => `${word} ${i % 7} and so on. `.repeat(20)).join('\n\n'),
        );
      write('before');
      const start = ['train', '--preset', 'tiny', '--steps', '2', '--text', file, '--out', run];
      expect((await runTrainer(start)).code).toBe(0);
      unfinish(run);
      write('afterwards');
      for (const command of ['resume', 'eval']) {
        const { code, stderr } = await runTrainer([command, run]);
        expect(code).toBe(1);
        expect(stderr).toContain('the training text of changing is not the one that the run began with');
      }
      // Written anew, but the same.
      write('before');
      for (const command of ['eval', 'resume']) expect((await runTrainer([command, run])).code).toBe(0);
    },
    TIMEOUT,
  );

  it(
    'trains on when nobody reads what it prints, and shows no stack',
    async () => {
      const unread = join(work, 'unread');
      const { child, outcome } = startTrainer(['train', ...args, '--out', unread]);
      child.stdout!.destroy();
      child.stderr!.destroy();
      expect((await outcome).code).toBe(0);
      expect(finalEvaluation(await readEvaluations(unread))).toBeDefined();
    },
    TIMEOUT,
  );

  it(
    'goes on with the settings that the run began with and no others, wherever its text lies',
    async () => {
      const [run, first, second] = ['moved', 'first', 'second'].map((name) => join(work, name)) as [
        string,
        string,
        string,
      ];
      mkdirSync(first);
      const text = Array.from({ length: 400 }, (_, i) => `words ${i % 7} and so on. `.repeat(20)).join('\n\n');
      for (const name of ['training', 'other']) writeFileSync(join(first, `${name}.txt`), `${name} ${text}`);
      const source = (folder: string, name: string): string => `{type: text, paths: [${join(folder, `${name}.txt`)}]}`;
      const texts = [
        `data.sources=[${source(first, 'training')}]`,
        `evaluation.sources=[${source(first, 'other')}]`,
        'data.heldOutFraction=0.1',
      ];
      const start = ['train', '--preset', 'tiny', '--steps', '4', ...texts.flatMap((text) => ['--set', text])];
      expect((await runTrainer([...start, '--out', run])).code).toBe(0);
      const whole = decided(run);
      const config = join(run, 'config.yaml');
      const before = readFileSync(config, 'utf8');
      const changes = [
        ['training.steps', 'steps: 4', 'steps: 6'],
        ['data.batchSize', 'batchSize: 4', 'batchSize: 2'],
        ['training.accumulation', 'accumulation: 1', 'accumulation: 2'],
        ['seed', 'seed: 0', 'seed: 1'],
      ] as const;
      for (const [, was] of changes) expect(before).toContain(was);
      writeFileSync(
        config,
        changes.reduce((text, [, was, is]) => text.replace(was, is), before),
      );
      // Whether it is finished or not.
      for (const isFinished of [true, false]) {
        if (!isFinished) unfinish(run);
        const { code, stdout, stderr } = await runTrainer(['resume', run]);
        expect([code, stdout]).toEqual([1, '']);
        for (const [path, was, is] of changes) {
          const [began, now] = [was, is].map((text) => text.split(': ')[1]!);
          expect(stderr).toContain(`${path}: began with ${began}, now ${now}`);
        }
        expect(stderr).toContain(`Put back into ${config} what it began with, or start a new run`);
      }
      renameSync(first, second);
      const kept = before.replace('keepCheckpoints: 2', 'keepCheckpoints: 3');
      expect(kept).not.toBe(before);
      writeFileSync(config, kept.replaceAll(first, second));
      const { code, stderr } = await runTrainer(['resume', run]);
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);
      expect(decided(run)).toEqual(whole);
    },
    TIMEOUT,
  );

  it(
    'ends at once while the text is read: there is nothing to save',
    async () => {
      const text = join(work, 'large.txt');
      writeFileSync(text, Array.from({ length: 2e6 }, (_, i) => `${(i * 7919) % 99991} words`).join('\n'));
      const never = join(work, 'never');
      const numbered = join(work, 'numbered');
      mkdirSync(numbered);
      for (const out of [['--out', never], []]) {
        const { child, outcome } = startTrainer(['train', '--preset', 'tiny', '--text', text, ...out], numbered);
        await once(child.stderr!, 'data');
        child.kill('SIGINT');
        expect((await outcome).code).not.toBe(0);
      }
      expect(existsSync(never)).toBe(false);
      expect(readdirSync(numbered)).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    'leaves an empty folder of its user where nothing could be begun',
    async () => {
      const own = join(work, 'own');
      mkdirSync(own);
      const gone = ['--text', join(work, 'no such text.txt')];
      const { code } = await runTrainer(['train', '--preset', 'tiny', ...gone, '--out', own]);
      expect(code).toBe(1);
      expect(readdirSync(own)).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    'falls back to the checkpoint before a damaged one, and says so; without any it is an error',
    async () => {
      const run = join(work, 'damaged');
      expect((await runTrainer(['train', ...args, '--out', run])).code).toBe(0);
      const before = decided(run);
      unfinish(run);
      const model = (step: string): string => join(run, 'checkpoints', `step-${step}`, 'model.safetensors');
      truncateSync(model('000030'), 1000);
      const { code, stderr } = await runTrainer(['resume', run]);
      expect(stderr).toContain('step-000030 is damaged: model.safetensors (1000 bytes)');
      expect(code).toBe(0);
      expect(decided(run)).toEqual(before);

      for (const step of ['000028', '000030']) writeFileSync(model(step), 'nothing');
      for (const command of [
        ['eval', run],
        ['resume', run],
      ]) {
        if (command[0] === 'resume') unfinish(run);
        const broken = await runTrainer(command);
        expect(broken.code).toBe(1);
        expect(broken.stderr).toContain('no checkpoint');
        expect(broken.stderr).toContain('step-000028 is damaged');
      }
    },
    TIMEOUT,
  );
});

/** A training that has made steps, and saves nothing until it is stopped. */
async function startUnsaved(run: string): Promise<ReturnType<typeof startTrainer>> {
  const started = startTrainer(['train', ...args, '--set', 'training.checkpointEvery=1000', '--out', run]);
  while (started.child.exitCode === null && metricsBytes(run) === 0) await setTimeout(5);
  return started;
}

function metricsBytes(run: string): number {
  const path = join(run, 'metrics.jsonl');
  return existsSync(path) ? readFileSync(path).length : 0;
}

function savedSteps(run: string): number {
  const path = join(run, 'checkpoints');
  return existsSync(path) ? readdirSync(path).filter((name) => name.startsWith('step-')).length : 0;
}
