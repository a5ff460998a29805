/**
 * The trainer from the command line to its results: comparison, reproduction, evaluation, and every kind of bad input.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import { decodeLoads, layersReport, overloadFactor, uniformityTest } from '@lpr/metrics';
import { finalEvaluation, readEvaluations, readMetrics, readSummary } from '@lpr/runs';
import { afterAll, describe, expect, it } from 'vitest';
import { cleanUp, runDashboard, runTrainer, startTrainer } from './end-to-end-cli.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-end-to-end-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const TIMEOUT = 120_000;

describe('reproduce', () => {
  it(
    "sets rows of the paper's tables beside its numbers, and goes on after a kill",
    async () => {
      const out = join(work, 'reproduce');
      const formulations = ['--formulations', 'corrected,no-bias'];
      const args = ['reproduce', '2', '--preset', 'tiny', '--steps', '8', ...formulations, '--out', out];
      const started = startTrainer(args);
      while (started.child.exitCode === null && !existsSync(join(out, 'lpr,klWeight=0'))) await setTimeout(5);
      started.child.kill('SIGKILL');
      await started.outcome;
      const { code, stdout, stderr } = await runTrainer(['resume', out]);
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);

      const { models, settings } = await readSummary(out);
      const words = ['klWeight=0', 'alignmentWeight=0', 'diversityWeight=0'];
      const named = (name: string, changes: readonly string[]) => changes.map((change) => `${name},${change}`);
      const unbiased = 'lpr,selectionBiasRate=0';
      expect(models.map(({ name }) => name)).toEqual([
        ...['lpr', ...named('lpr', words), unbiased, ...named(unbiased, words)],
      ]);
      const name = 'lpr,diversityWeight=0';
      const { testLoss, balance } = models.find((model) => model.name === name)!;
      const setting = settings.find((each) => each.name === name)!;
      expect(setting).toMatchObject({ runs: [name], seeds: [0], errorsOf: 'blocks' });
      expect(setting.estimates['testLoss']).toEqual({ mean: testLoss, error: expect.any(Number) });
      const difference = setting.differences['lpr']!['gini']!;
      expect(difference.mean).toBeCloseTo(balance!.mean.gini! - models[0]!.balance!.mean.gini!, 12);
      const [row] = /without diversity.*/.exec(stdout)!;
      const [title, loss, , gini, giniDifference] = row.split(/ *\| */);
      expect(title).toBe('without diversity');
      expect(loss).toBe(`${testLoss.toFixed(3)} ± ${setting.estimates['testLoss']!.error!.toFixed(3)}`);
      expect(gini).toMatch(new RegExp(`^${balance!.mean.gini!.toFixed(3)} ± 0\\.0\\d\\d$`));
      expect(giniDifference).toContain(`${Math.abs(difference.mean).toFixed(3)} ± `);
      expect(stdout).toMatch(
        /Table 2 on 8,192 held-out tokens, seed 0: components\n\n\| .*\n\| -.*\n\| _corrected_ .*\n\| all .*\n(\| without .*\n){3}\| rank correlation/,
      );
      expect(stdout).toContain('it does not contain the variation between seeds');
      expect(stdout).toMatch(/so much is left without its selection bias: all \d+ %, without KL \d+ %/);
      for (const formulation of ['corrected', 'no-bias']) {
        for (const figure of ['load-held-out', 'curves'])
          expect(existsSync(join(out, 'figures', `table-2-${formulation}-${figure}.png`))).toBe(true);
      }
    },
    TIMEOUT,
  );
});

describe('compare', () => {
  it(
    'trains, evaluates and draws both models, and can be run again',
    async () => {
      const out = join(work, 'compare');
      const { code, stdout, stderr } = await runTrainer(['--preset', 'tiny', '--out', out, '--seed', '3']);
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);
      // Of both, before any text is read.
      expect(stderr).toMatch(/^top-k: .* parameters .*\nlpr: .* parameters .*\nreading the text\n/);

      const { models } = await readSummary(out);
      expect(models.map(({ router }) => router)).toEqual(['top-k', 'lpr']);
      for (const model of models) {
        const { counts, balance } = finalEvaluation(await readEvaluations(join(out, model.router)))!;
        const { mean, worst } = layersReport(counts);
        expect(balance).toEqual({ mean, worst });
        expect(model.balance).toEqual(balance);
        expect([model.experts, model.expertsPerToken]).toEqual([counts[0]!.length, 2]);
        expect(model.pValue).toBe(uniformityTest(counts, 2).pValue);
        expect(model.placement!['ranks.2']).toBeCloseTo(
          counts.reduce((sum, loads) => sum + overloadFactor(loads, 2), 0) / counts.length,
          12,
        );
        // Every token of the evaluation was routed to two experts in both layers: none lost, none twice.
        expect(counts.map((layer) => layer.reduce((a, b) => a + b))).toEqual([2 * 8192, 2 * 8192]);
        // Better than a uniform guess over the vocabulary, so something was learnt.
        expect(model.testLoss).toBeLessThan(Math.log(512) - 0.5);
        expect(model.steps).toBe(40);
        expect(model.tokens).toBe(40 * 4 * 64);
        expect(model.seed).toBe(3);
        expect(model.device).toContain('wasm');
        expect(model.tokensPerSecond).toBeGreaterThan(0);
        const { size, samplingFloor, isotropicNull } = model.levels!;
        expect(size).toEqual({ experts: counts[0]!.length, topK: 2, tokens: 8192, latentDim: 16, layers: 2 });
        expect(samplingFloor.gini.low).toBeGreaterThan(0);
        expect(samplingFloor.gini.high).toBeLessThan(isotropicNull.gini.mean);

        const lines = await readMetrics(join(out, model.router));
        expect(lines.map(({ step }) => step)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
        const { windows } = decodeLoads(readFileSync(join(out, model.router, 'loads.bin')));
        expect(windows.map(({ step }) => step)).toEqual([10, 20, 30, 40]);
        for (const { step, tokens, counts } of windows) {
          expect(tokens).toBe(10 * 4 * 64);
          const { mean, worst } = layersReport(counts);
          expect(lines[step - 1]?.balance).toEqual({ mean, worst });
        }
      }
      const [topK, lpr] = [models[0]!, models[1]!];
      expect(topK.testLoss).not.toBe(lpr.testLoss);
      // The dashboard draws the same pictures of the same runs.
      const drawn = join(work, 'drawn');
      const pictures = [
        ...['load-held-out', 'curves', 'loss-tokens-held-out', 'loss-tokens-training'],
        'specialisation-balance',
      ];
      await runDashboard(['render', out, '--out', drawn, '--only', ...pictures]);
      for (const picture of pictures) {
        const png = readFileSync(join(out, 'figures', `${picture}.png`));
        expect(png.subarray(1, 4).toString()).toBe('PNG');
        expect(png.equals(readFileSync(join(drawn, 'figures', `${picture}.png`)))).toBe(true);
      }
      expect(stdout).toContain('Qwen3-LPR');
      expect(stdout).toContain(topK.testLoss.toFixed(4));

      const again = await runTrainer(['--preset', 'tiny', '--out', out]);
      expect(again.code).toBe(1);
      expect(again.stderr).toContain('already exists');
      expect(again.stderr).toContain('resume');
      // Resuming what is finished changes nothing and prints the same, and makes blocks that earlier versions left out.
      const blocks = join(out, 'lpr', 'held-out-blocks.json');
      const before = readFileSync(blocks);
      rmSync(blocks);
      const resumed = await runTrainer(['resume', out]);
      expect(resumed.code).toBe(0);
      expect(resumed.stdout).toBe(stdout);
      expect(readFileSync(blocks).equals(before)).toBe(true);
      const unclear = await runTrainer(['generate', out]);
      expect(unclear.code).toBe(1);
      expect(unclear.stderr).toContain(`holds several runs; name one of them: ${join(out, 'lpr')}`);
    },
    TIMEOUT,
  );

  it(
    'gives each run without --out a folder of its own',
    async () => {
      const args = ['train', '--preset', 'tiny', '--steps', '2'];
      for (const name of ['train-1', 'train-2']) {
        expect((await runTrainer(args, work)).code).toBe(0);
        expect(finalEvaluation(await readEvaluations(join(work, 'runs', name)))).toBeDefined();
      }
    },
    TIMEOUT,
  );
});

describe('eval', () => {
  it(
    'prints the measures of a run and changes nothing',
    async () => {
      const run = join(work, 'evaluated');
      await runTrainer(['train', '--preset', 'tiny', '--steps', '5', '--router', 'top-k', '--out', run]);
      const before = filesIn(run);
      const { code, stdout } = await runTrainer(['eval', run, '--json']);
      expect(code).toBe(0);
      const printed = JSON.parse(stdout) as { loss: number; counts: number[][]; mean: { gini: number } };
      const { counts, loss, balance } = finalEvaluation(await readEvaluations(run))!;
      expect(printed.counts).toEqual(counts);
      expect(printed.loss).toBeCloseTo(loss, 6);
      expect(printed.mean.gini).toBe(balance!.mean.gini);
      expect(filesIn(run)).toEqual(before);
    },
    TIMEOUT,
  );
});

describe('bad input', () => {
  const file = join(work, 'file');
  writeFileSync(file, 'a few words, far fewer than a sequence takes');
  writeFileSync(join(work, 'file2'), 'some other words');
  const full = mkdtempSync(join(work, 'full-'));
  writeFileSync(join(full, 'precious'), '');

  it.each([
    [['compare', '--prest', 'tiny'], 'Did you mean --preset?'],
    [['compare', '--preset', 'tinny'], 'Did you mean tiny?'],
    [['comapre'], 'unknown command "comapre". Did you mean compare?'],
    [['train', '--router', 'nearest'], 'unknown router "nearest"'],
    [['compare', '--router', 'top-k'], 'beside top-k'],
    [['compare', '--baseline', 'switch'], '--baseline switch: it must be one of those compared: top-k, lpr'],
    [['compare', '--seed', '1', '--seeds', '2'], "option '--seeds <list>' cannot be used with option '--seed <n>'"],
    [['train', '--seeds', '7,'], 'one alone is --seed'],
    [['reproduce', '2', '--formulations', 'papper'], 'Did you mean paper?'],
    [['train', '--arch', 'qwen'], 'unknown architecture "qwen"'],
    [['train', '--steps', '0'], 'at least 1'],
    [['train', '--threads', 'two'], 'at least 0'],
    // Before any text is read.
    [['train', '--preset', 'tiny', '--threads', '100000', '--text', '/no/such/text'], 'device wasm, threads 100000: '],
    [['tokenizer', 'train', '--text', '/no/such/text', '--out', join(work, 'no', 'such', 'file')], '--out'],
    [['config', 'schema', '--out', join(work, 'no', 'such', 'file')], 'there is no folder'],
    [['train', '--device', 'tpu'], 'unknown device "tpu"'],
    [['train', '--preset', 'tiny', '--set', 'size.topK=0'], 'size.topK'],
    [['train', '--preset', 'tiny', '--set', 'size.topK=9'], 'only 8 experts'],
    [['train', '--set', 'size.hidden=65536'], 'GiB'],
    [['train', '--preset', 'tiny', '--set', 'data.sequenceLength=9000000', '--set', 'data.batchSize=1'], 'sequence'],
    [['train', '--preset', 'tiny', '--text', file, '--text', `${file}2`], 'document'],
    [['train', '--preset', 'tiny', '--text', '/no/such/text'], '/no/such/text'],
    [['train', '--preset', 'tiny', '--set', 'data.tokenizer={path: /no/such}'], '/no/such/tokenizer.json'],
    [['train', '--preset', 'tiny', '--set', 'data.tokenizer=bytes', '--set', 'size.vocabulary=256'], 'at least 257'],
    [['train', '--config', file], 'expected settings'],
    [['train', '--preset', 'paper/mixtral'], 'GiB'],
    [['generate', full], 'holds no model'],
    [['export', full, join(work, 'exported')], 'holds no model'],
    [['config', 'sho'], 'Did you mean show?'],
    [['bench', '--presets', 'tinny'], 'Did you mean tiny?'],
    [['tokenizer', 'train'], 'name text to train on'],
    [['train', '--preset', 'tiny', '--out', join(file, 'run')], 'choose another'],
    [['train', '--preset', 'tiny', '--out', full], 'already exists and is not empty'],
    [['resume', join(work, 'nowhere')], 'is no run folder'],
    [['eval', full], 'holds no model'],
  ])(
    '%j is one clear error',
    async (args, message) => {
      const before = filesIn(work);
      const { code, stdout, stderr } = await runTrainer(args, work);
      expect(stderr).toContain(message);
      expect(stderr.match(/error:/g)).toHaveLength(1);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(stdout).toBe('');
      expect(code).toBe(1);
      expect(filesIn(work)).toEqual(before);
    },
    TIMEOUT,
  );

  it(
    'help names every command and option, with examples',
    async () => {
      // From its source, as `pnpm trainer` starts it.
      const main = join(import.meta.dirname, '../apps/trainer/src/main.ts');
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', main, '--help']);
      const commands = [
        'compare',
        'train',
        'resume',
        'eval',
        'inspect',
        'generate',
        'export',
        'tokenizer',
        'config',
        'doctor',
        'bench',
      ];
      for (const word of [...commands, 'Examples', 'pnpm trainer']) expect(stdout).toContain(word);
      const options = await runTrainer(['compare', '--help']);
      for (const word of [
        'preset',
        'config',
        'text',
        'arch',
        'router',
        'steps',
        'seed',
        'threads',
        'device',
        'out',
        'set',
      ]) {
        expect(options.stdout).toContain(`--${word} `);
      }
      expect((await runTrainer(['train', '--help'])).stdout).toContain('--from <model>');
      expect((await runTrainer(['resume', '--help'])).stdout).toContain('resume runs/train-1 --steps');
    },
    TIMEOUT,
  );
});

/** Paths of everything below a folder, in a fixed order. */
function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true }).map(String).toSorted();
}
