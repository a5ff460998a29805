/** From the command line: runs that are made longer, and runs that start from the weights of others. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readEvaluations, readMetrics } from '@lpr/runs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUp, runTrainer, startTrainer } from './end-to-end-cli.ts';
import { unfinish } from './faults/damage.ts';
import { decided } from './faults/decided.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-going-on-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const TIMEOUT = 120_000;
const tiny = ['--preset', 'tiny', '--set', 'training.checkpointEvery=7'];

/** A finished run of 20 steps. */
const base = join(work, 'base');
beforeAll(async () => {
  const { code, stderr } = await runTrainer(['train', ...tiny, '--steps', '20', '--out', base]);
  if (code !== 0) throw new Error(stderr);
}, TIMEOUT);

function copyOf(name: string, run: string = base): string {
  const path = join(work, name);
  cpSync(run, path, { recursive: true });
  return path;
}

async function refusal(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runTrainer(args);
  expect([code, stdout]).toEqual([1, '']);
  return stderr;
}

describe('resume --steps', () => {
  it(
    'lengthens a lengthened run whose newest checkpoint is gone, and does the steps since the last one as they were',
    async () => {
      const run = copyOf('twice');
      const { child, outcome } = startTrainer(['resume', run, '--steps', '40', '--threads', '1']);
      const config = (): string => readFileSync(join(run, 'config.yaml'), 'utf8');
      while (child.exitCode === null && !config().includes('lengthened')) await setTimeout(5);
      child.kill('SIGKILL');
      await outcome;
      rmSync(join(run, 'checkpoints', 'step-000020'), { recursive: true });
      const { code, stderr } = await runTrainer(['resume', run, '--steps', '44']);
      expect([code, stderr]).toEqual([0, expect.stringContaining('40 steps become 44')]);
      expect((await readMetrics(run)).slice(0, 20)).toEqual(
        (await readMetrics(base)).map((line) =>
          expect.objectContaining({ loss: line.loss, learningRate: line.learningRate }),
        ),
      );
    },
    TIMEOUT,
  );

  it(
    'trains a finished run longer, with the same bits after kill -9 at any moment',
    async () => {
      const whole = copyOf('whole');
      const { code, stderr } = await runTrainer(['resume', whole, '--steps', '40', '--threads', '2']);
      expect(code).toBe(0);
      expect(stderr).toContain(
        '20 steps become 40: from step 20 on the learning rate is that of a run of 40 steps (warmupStableDecay), ' +
          'now 0.003 in place of 0.00015, so it goes up again; then 0.003 until step 32, down to 0.00015 by step 40 (cosine)',
      );
      const [before] = await readEvaluations(base);
      expect(await readEvaluations(whole)).toMatchObject([
        { ...before, final: false },
        { step: 40, final: true },
      ]);
      expect((await readMetrics(whole)).slice(0, 20)).toEqual(await readMetrics(base));

      const killed = copyOf('killed');
      const metrics = (): number => readFileSync(join(killed, 'metrics.jsonl')).length;
      for (let kills = 0; kills < 4; kills++) {
        const { child, outcome } = startTrainer(['resume', killed, '--steps', '40', '--threads', '1']);
        const size = metrics();
        // While its settings are changed, then while it trains.
        const trains = kills > 1;
        if (trains) while (child.exitCode === null && metrics() === size) await setTimeout(5);
        await setTimeout(trains ? Math.random() * 50 : 500 + Math.random() * 1000);
        child.kill('SIGKILL');
        await outcome;
      }
      expect((await runTrainer(['resume', killed, '--steps', '40'])).code).toBe(0);
      expect(decided(killed)).toEqual(decided(whole));

      // Its settings alone say all: trained at once with them it is the same run.
      const repeated = join(work, 'repeated');
      const again = ['train', '--config', join(whole, 'config.yaml'), '--out', repeated];
      expect((await runTrainer(again)).code).toBe(0);
      // The latents of the end that it had before.
      const { [join('latents', 'step-000020.safetensors')]: latents, ...rest } = decided(whole);
      expect(latents).toBeDefined();
      expect(decided(repeated)).toEqual(rest);
    },
    TIMEOUT,
  );

  it(
    'says what cannot be, and changes nothing then',
    async () => {
      const run = copyOf('refused');
      const before = decided(run);
      const config = readFileSync(join(run, 'config.yaml'), 'utf8');
      expect(await refusal(['resume', run, '--steps', '19'])).toContain(
        `--steps 19: ${run} has 20 steps already, 20 of them done; give more`,
      );
      const comparison = join(work, 'comparison');
      const compared = ['compare', '--preset', 'tiny', '--steps', '2', '--set', 'evaluation.tokens=1024'];
      expect((await runTrainer([...compared, '--out', comparison])).code).toBe(0);
      expect(await refusal(['resume', comparison, '--steps', '4'])).toContain(`${comparison} is a comparison`);
      expect(await refusal(['resume', join(comparison, 'lpr'), '--steps', '4'])).toContain(
        'is a run of the comparison',
      );
      writeFileSync(join(run, 'config.yaml'), config.replace('batchSize: 4', 'batchSize: 2'));
      expect(await refusal(['resume', run, '--steps', '40'])).toContain('data.batchSize: began with 4, now 2');
      writeFileSync(join(run, 'config.yaml'), config);
      expect(decided(run)).toEqual(before);
      // As many as it has: it is as it was.
      expect((await runTrainer(['resume', run, '--steps', '20'])).code).toBe(0);
      expect(decided(run)).toEqual(before);
      expect(readFileSync(join(run, 'config.yaml'), 'utf8')).toBe(config);
    },
    TIMEOUT,
  );

  it(
    'refuses a run that stopped because it no longer got better',
    async () => {
      const run = join(work, 'impatient');
      const set = ['training.learningRate=1e-30', 'training.weightDecay=0', 'training.calibration=null'];
      const impatient = [...set, 'evaluation.every=2', 'evaluation.patience=1'].flatMap((text) => ['--set', text]);
      expect((await runTrainer(['train', ...tiny, ...impatient, '--steps', '20', '--out', run])).code).toBe(0);
      expect(await refusal(['resume', run, '--steps', '40'])).toContain('since its evaluations no longer got better');
    },
    TIMEOUT,
  );
});

describe('train --from', () => {
  const start = ['train', ...tiny, '--steps', '3', '--seed', '4'];

  it(
    'starts from the weights of a run, twice with the same bits, and needs that run no more once it is on its way',
    async () => {
      const source = copyOf('source');
      const [first, second] = [join(work, 'first'), join(work, 'second')];
      expect((await runTrainer([...start, '--from', source, '--out', first])).code).toBe(0);
      const checkpoint = join(source, 'checkpoints', 'step-000020');
      expect((await runTrainer([...start, '--from', checkpoint, '--out', second])).code).toBe(0);
      expect(decided(second)).toEqual(decided(first));
      const exported = join(work, 'exported');
      expect((await runTrainer(['export', source, exported])).code).toBe(0);
      const third = join(work, 'third');
      expect((await runTrainer([...start, '--from', exported, '--out', third])).code).toBe(0);
      const lossesOf = async (run: string): Promise<number[]> => (await readMetrics(run)).map(({ loss }) => loss);
      expect(await lossesOf(third)).toEqual(await lossesOf(first));
      // It goes on from where the source was, which is far below a uniform guess.
      expect((await lossesOf(first))[0]).toBeLessThan(Math.log(512) - 0.3);

      rmSync(source, { recursive: true });
      const whole = decided(first);
      unfinish(first);
      expect((await runTrainer(['resume', first])).code).toBe(0);
      expect(decided(first)).toEqual(whole);
    },
    TIMEOUT,
  );

  it(
    'notices other weights in their place while the run has no checkpoint',
    async () => {
      const source = copyOf('changing');
      const run = join(work, 'begun');
      expect((await runTrainer([...start, '--from', source, '--out', run])).code).toBe(0);
      const whole = decided(run);
      unfinish(run);
      rmSync(join(run, 'checkpoints'), { recursive: true });
      const [newest, aside] = [join(source, 'checkpoints', 'step-000020'), join(work, 'aside')];
      renameSync(newest, aside);
      expect(await refusal(['resume', run])).toContain(
        `${run}: the weights that the run starts from (from) must be those that it began with until it has a checkpoint, but they are others now`,
      );
      renameSync(aside, newest);
      expect((await runTrainer(['resume', run])).code).toBe(0);
      expect(decided(run)).toEqual(whole);
    },
    TIMEOUT,
  );

  it(
    'refuses by name what does not fit, before anything is made',
    async () => {
      const never = join(work, 'never');
      const refused = async (...words: string[]): Promise<string> =>
        await refusal([...start, '--out', never, '--from', ...words]);
      expect(await refused(base, '--set', 'size.hidden=64')).toContain(
        'size.hidden: got 64, but the model has hidden_size 32',
      );
      expect(await refused(base, '--arch', 'mixtral')).toContain(
        'architecture: got mixtral (mixtral), but the model is qwen3_moe',
      );
      const router = await refused(base, '--router', 'top-k');
      expect(router).toContain('does not fit the router top-k');
      expect(router).toContain('model.layers.0.mlp.gate.weight is missing');
      expect(await refused(base, '--set', 'lpr.latentDim=8')).toMatch(/expert_keys must be \[8, 8\], got \[8, \d+\]/);
      expect(await refused(join(work, 'nowhere'))).toContain(`from: there is no ${join(work, 'nowhere')}`);
      const bare = join(work, 'bare');
      mkdirSync(bare);
      expect(await refused(bare)).toContain('data.tokenizer: got train, but the weights in');
      expect(await refused(bare, '--set', 'data.tokenizer=bytes')).toContain('holds no model');
      expect(existsSync(never)).toBe(false);
    },
    TIMEOUT,
  );
});
