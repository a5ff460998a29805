/**
 * What is done with finished models, from the command line: text in, tokenizer, training on two domains, generation,
 * export; and the machine looked at.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseTokenizer } from '@lpr/data';
import { decodeSafetensors } from '@lpr/model/safetensors';
import { filesIn, finalEvaluation, readEvaluations, readSimilarity } from '@lpr/runs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanUp, runDashboard, runTrainer, startTrainer } from './end-to-end-cli.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-models-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const TIMEOUT = 120_000;

const prose = join(work, 'prose.txt');
const code = join(work, 'code.txt');
const tokenizer = join(work, 'tokenizer.json');
const run = join(work, 'run');

/** Documents that differ, of words in an order that repeats. */
function documents(words: readonly string[], count: number): string {
  const document = (_: unknown, i: number): string =>
    Array.from({ length: 150 }, (_word, j) => words[(i * 7 + j * j + 3 * j) % words.length]).join(' ');
  return Array.from({ length: count }, document).join('\n\n');
}

async function succeed(args: readonly string[]): Promise<string> {
  const { code: exit, stdout, stderr } = await runTrainer(args, work);
  expect(stderr).not.toContain('error');
  expect(exit).toBe(0);
  return stdout;
}

beforeAll(async () => {
  writeFileSync(prose, documents(['the', 'house', 'stands', 'on', 'a', 'hill', 'above', 'the', 'old', 'town'], 60));
  writeFileSync(code, documents(['let', 'x', '=', 'f(x);', 'return', 'x', '+', '1;', '}', '{'], 60));
  await succeed(['tokenizer', 'train', '--text', prose, '--text', code, '--vocabulary', '300', '--out', tokenizer]);
  const set = ['data.tokenizer={path: tokenizer.json}', 'size.vocabulary=320', 'data.heldOutFraction=0.1'];
  const text = ['--text', 'prose.txt', '--text', 'code.txt'];
  const settings = [...set, 'evaluation.every=20'].flatMap((one) => ['--set', one]);
  await succeed(['train', '--preset', 'tiny', ...text, ...settings, '--out', run]);
}, TIMEOUT);

describe('a model trained on two text files with a tokenizer of their own', () => {
  it('has that tokenizer, with room for more tokens', () => {
    expect(readFileSync(join(run, 'tokenizer.json'), 'utf8')).toBe(readFileSync(tokenizer, 'utf8'));
    expect(parseTokenizer(readFileSync(tokenizer, 'utf8')).vocabularySize).toBeLessThanOrEqual(300);
  });

  it(
    'continues a prompt: the same text for the same seed, from the run, a checkpoint and an export',
    async () => {
      const exported = join(work, 'exported');
      await succeed(['export', run, exported]);
      expect(readdirSync(exported).toSorted()).toEqual([
        'config.json',
        'lpr_experts.py',
        'model.safetensors',
        'modeling_lpr.py',
        'tokenizer.json',
        'tokenizer_config.json',
      ]);
      const checkpoint = join(run, 'checkpoints', 'step-000040');
      const sampled = ['--prompt', 'the house', '--tokens', '12', '--temperature', '1', '--seed', '3'];
      const texts: string[] = [];
      for (const model of [run, checkpoint, exported]) texts.push(await succeed(['generate', model, ...sampled]));
      expect(texts[0]).toMatch(/^the house./);
      expect(new Set(texts).size).toBe(1);
      expect(await succeed(['generate', run, ...sampled.slice(0, -1), '4'])).not.toBe(texts[0]);

      const greedy = await succeed(['generate', run, '--prompt', 'the house', '--tokens', '12', '--greedy']);
      const topOne = await succeed(['generate', run, ...sampled, '--top-k', '1']);
      expect(topOne).toBe(greedy);

      const again = await runTrainer(['export', run, exported], work);
      expect(again.code).toBe(1);
      expect(again.stderr).toContain('already exists');

      const other = join(work, 'prose.txt');
      const unfit = await runTrainer(['export', run, 'half', '--tokenizer', other], work);
      expect(unfit.code).toBe(1);
      expect(unfit.stderr).toContain(`${other} cannot be used`);
      expect(existsSync(join(work, 'half'))).toBe(false);
    },
    TIMEOUT,
  );
});

interface Measures {
  readonly tokens: number;
  readonly loss: number;
  readonly domains: Record<string, { loss: number; tokens: number }>;
  readonly layers: { gini: number }[];
  readonly specialisation: { mutualInformation: number; domainInformation: number | null }[];
  readonly step: number | null;
  readonly routing: {
    readonly batchTokens: number;
    readonly batchFloor: number;
    readonly layers: {
      decisions: { entropy: number; margin: number } | null;
      position: { nats: number; independent: number };
      maxViolations: { batch: number; worstBatch: number; global: number };
    }[];
  };
  readonly samplingFloor: { gini: { mean: number } };
  readonly textFloor: { mean: { gini: { mean: number } }; pieces: number };
  readonly tokenTypeFloor: { balance: { gini: number }; frequent: number; share: number };
  readonly stability: { from: number; to: number; layers: { kept: number; independent: number }[] } | null;
  readonly counts: number[][];
}

async function measures(args: readonly string[]): Promise<Measures> {
  return JSON.parse(await succeed([...args, '--json'])) as Measures;
}

describe('eval', () => {
  it(
    'gives loss by domain, balance and specialisation, on either split, some domains, or any text',
    async () => {
      const heldOut = await measures(['eval', run]);
      const evaluation = finalEvaluation(await readEvaluations(run))!;
      expect(heldOut.counts).toEqual(evaluation.counts);
      expect(heldOut.loss).toBeCloseTo(evaluation.loss, 5);
      expect(Object.keys(heldOut.domains)).toEqual(['prose', 'code']);
      const { prose: first, code: second } = heldOut.domains;
      expect(first!.tokens + second!.tokens).toBe(heldOut.tokens);
      // The loss of the mix that the model is trained on, to the last token.
      const { training: mix } = JSON.parse(readFileSync(join(run, 'identity.json'), 'utf8')) as {
        training: { tokens: number }[];
      };
      const [share] = mix.map(({ tokens }) => tokens / (mix[0]!.tokens + mix[1]!.tokens));
      expect(share! * first!.loss + (1 - share!) * second!.loss).toBeCloseTo(heldOut.loss, 9);
      const information = heldOut.specialisation.map(({ mutualInformation }) => mutualInformation);
      expect(information.reduce((sum, value) => sum + value / 2, 0)).toBeCloseTo(evaluation.mutualInformation!, 9);
      for (const { domainInformation } of heldOut.specialisation) expect(domainInformation).toBeGreaterThan(0);
      expect(heldOut.step).toBe(40);
      // Text in pieces about something is less even than as many tokens that do not depend on one another.
      expect(heldOut.textFloor.pieces).toBeGreaterThan(1);
      expect(heldOut.textFloor.mean.gini.mean).toBeGreaterThan(heldOut.samplingFloor.gini.mean);
      const { tokenTypeFloor: byId } = heldOut;
      expect(byId.frequent > 0).toBe(byId.share > 0);
      const { routing, stability } = heldOut;
      expect(routing.batchTokens).toBe(8 * 64);
      expect(routing.batchFloor).toBeGreaterThan(0);
      for (const [layer, { decisions, position, maxViolations }] of routing.layers.entries()) {
        // The same tokens as those that the run's own evaluation looked at one by one, or more.
        expect(decisions!.entropy).toBeCloseTo(evaluation.decisions![layer]!.entropy!, 1);
        expect(position.nats).toBeGreaterThan(0);
        expect(position.independent).toBeGreaterThan(0);
        expect(maxViolations.worstBatch).toBeGreaterThanOrEqual(maxViolations.batch);
        expect(maxViolations.batch).toBeGreaterThanOrEqual(maxViolations.global - 1e-9);
      }
      expect(stability).toMatchObject({ from: 20, to: 40 });
      for (const { kept, independent } of stability!.layers) expect(kept).toBeGreaterThan(independent);

      const one = await measures(['eval', run, '--domain', 'code']);
      expect(Object.keys(one.domains)).toEqual(['code']);
      // As much as there is of it, not its share of the mix.
      expect(one.tokens).toBeGreaterThanOrEqual(second!.tokens);
      expect(one.loss).toBe(one.domains['code']!.loss);
      expect(one.specialisation[0]!.domainInformation).toBeNull();
      // The traces of the run are of both.
      expect(one.stability).toBeNull();

      const training = await measures(['eval', run, '--split', 'training', '--tokens', '1280']);
      expect(training.tokens).toBe(1280);
      expect(training.loss).not.toBe(heldOut.loss);

      const own = await measures([
        'eval',
        join(run, 'checkpoints', 'step-000040'),
        '--text',
        'code.txt',
        '--tokens',
        '640',
      ]);
      expect(own.tokens).toBe(640);
      // Every token goes to two experts, in both layers.
      expect(own.counts.map((layer) => layer.reduce((a, b) => a + b))).toEqual([1280, 1280]);

      const tables = await succeed(['eval', run]);
      for (const word of ['perplexity', 'sampling floor', 'isotropic null', 'MaxVio', 'I(expert; domain)', 'layer 1']) {
        expect(tables).toContain(word);
      }
      // Every table says which text and steps.
      const titles = tables.split('\n\n').map((table) => table.split('\n')[0]!);
      expect(titles).toHaveLength(6);
      for (const title of titles)
        expect(title).toMatch(/held-out (text|tokens).*step 40|step-000040: .* of held-out text/);
    },
    TIMEOUT,
  );
});

describe('inspect', () => {
  it(
    'shows how prototypes lie, and where the tokens of a text go',
    async () => {
      const geometry = await succeed(['inspect', run]);
      expect(geometry).toMatch(/^layer 1 +latentPrototype +8 x 16 /m);
      expect(geometry).not.toContain('perplexity');
      const { layers, text } = JSON.parse(await succeed(['inspect', run, '--json', '--text', prose])) as {
        layers: { effectiveRank: number; largest: number; norm: { mean: number } }[];
        text: Measures;
      };
      expect(layers).toHaveLength(2);
      for (const { effectiveRank, largest, norm } of layers) {
        expect(effectiveRank).toBeGreaterThan(1);
        expect(effectiveRank).toBeLessThanOrEqual(8);
        expect(largest).toBeLessThan(1);
        // They start on the unit sphere, and forty steps do not take them far.
        expect(norm.mean).toBeCloseTo(1, 0);
      }
      expect(text.layers).toHaveLength(2);
    },
    TIMEOUT,
  );

  it(
    'measures how alike experts are on the held-out text of the run, which keeps it for pictures',
    async () => {
      const printed = await succeed(['inspect', run, '--similarity']);
      expect(printed).toMatch(/^Similarity of experts: .* on 256 held-out tokens after step 40/m);
      expect(printed).toMatch(/^layer 1 +0\.\d{3} \([^)]+\) +0\.\d{3} +\d and \d$/m);
      const stored = await readSimilarity(filesIn(run), decodeSafetensors);
      expect(stored.value).toMatchObject({
        step: 40,
        layers: [
          { layer: 0, tokens: 256 },
          { layer: 1, tokens: 256 },
        ],
      });
      await runDashboard(['render', run, '--out', join(work, 'pictures'), '--only', 'expert-similarity', 'stability']);
      expect(readdirSync(join(work, 'pictures', 'figures'))).toEqual(['expert-similarity.png', 'stability.png']);

      // Of another text nothing is kept.
      const args = ['inspect', run, '--similarity', '64', '--text', prose, '--tokens', '640', '--json'];
      const { similarity } = JSON.parse(await succeed(args)) as {
        similarity: { what: string; layers: { mean: number; independent: number }[] };
      };
      expect(similarity.what).toBe('64 given tokens after step 40');
      for (const { mean, independent } of similarity.layers) expect(mean).toBeGreaterThan(independent);
      expect(await readSimilarity(filesIn(run), decodeSafetensors)).toEqual(stored);
    },
    TIMEOUT,
  );
});

describe('smaller models', () => {
  it(
    'with latent experts or fewer of them are evaluated on the text of the run that they come from',
    async () => {
      const whole = await measures(['eval', run]);
      const convert = ['convert', run, '--latent-experts'];
      const { layers: errors } = JSON.parse(await succeed([...convert, '32', '--out', 'whole-width', '--json'])) as {
        layers: { gate: number; up: number; down: number }[];
      };
      expect(errors).toHaveLength(2);
      for (const { gate, up, down } of errors) expect(Math.max(gate, up, down)).toBeLessThan(1e-6);
      expect((await measures(['eval', 'whole-width', '--run', run])).loss).toBeCloseTo(whole.loss, 4);
      expect(await succeed([...convert, '8', '--out', 'latent'])).toMatch(/^layer 1 +0\.\d{4} +0\.\d{4} +0\.\d{4}$/m);

      const { layers: kept } = JSON.parse(await succeed(['prune', run, '--keep', '5', '--out', 'fewer', '--json'])) as {
        layers: { kept: number[]; importance: number[] }[];
      };
      for (const { kept: experts, importance } of kept) {
        expect(experts).toHaveLength(5);
        expect(importance.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      }
      const fewer = await measures(['eval', 'fewer', '--run', run]);
      expect(fewer.counts.map((layer) => layer.length)).toEqual([5, 5]);
      expect(fewer.tokens).toBe(whole.tokens);

      const nowhere = await runTrainer(['eval', 'fewer', '--run', 'latent'], work);
      expect(nowhere.stderr).toContain('--run latent: holds no run (config.yaml)');
      const tooMany = await runTrainer(['prune', run, '--keep', '8', '--out', 'same'], work);
      expect(tooMany.stderr).toContain('--keep 8: give at least 2 (experts a token) and fewer than 8');
      expect(existsSync(join(work, 'same'))).toBe(false);
    },
    TIMEOUT,
  );
});

describe('calibration', () => {
  it(
    'evens out the load over a text, by a model that other commands read, and refuses models without a bias',
    async () => {
      const args = ['calibrate', run, '--text', prose, '--tokens', '2048'];
      const { before, after } = JSON.parse(await succeed([...args, '--out', 'even', '--json'])) as Record<
        'before' | 'after',
        { mean: { gini: number } }
      >;
      expect(after.mean.gini).toBeLessThan(0.5 * before.mean.gini);
      const given = ['--text', prose, '--tokens', '2048'];
      expect((await measures(['eval', 'even', ...given])).counts).not.toEqual(
        (await measures(['eval', run, ...given])).counts,
      );
      await succeed(['train', '--preset', 'tiny', '--steps', '2', '--router', 'top-k', '--out', 'without-bias']);
      const { code, stderr } = await runTrainer(['calibrate', 'without-bias', '--out', 'none'], work);
      expect([code, stderr]).toEqual([1, expect.stringContaining('without-bias: no router of this model has')]);
      expect(existsSync(join(work, 'none'))).toBe(false);
    },
    TIMEOUT,
  );
});

describe('the machine', () => {
  it(
    'is looked at by doctor, and timed by bench',
    async () => {
      // A loader of drivers without any says so at length to the terminal of whoever asks.
      const environment = { VK_DRIVER_FILES: join(work, 'none.json'), VK_ICD_FILENAMES: join(work, 'none.json') };
      const { code: exit, stdout: found, stderr } = await startTrainer(['doctor'], work, { environment }).outcome;
      expect(stderr).toBe('');
      expect(exit).toBe(0);
      expect(found).toMatch(/^ok {4}--device wasm: wasm, \d+ threads?, (relaxed )?SIMD$/m);
      expect(found).toMatch(/^ok {4}--preset tiny runs on this CPU/m);
      expect(found).toMatch(/^note {2}--preset paper\/mixtral needs a GPU/m);
      expect(found).toMatch(/^ok {4}the cache can be written: .*lpr \(\d+\.\d MB; delete it to have the space back/m);
      expect(found).not.toContain('FAIL');

      const timed = await succeed(['bench', '--presets', 'tiny', '--steps', '3', '--threads', '1']);
      const [, tokensPerSecond] = /^tiny +0\.1M +([\d,]+) /m.exec(timed) ?? [];
      expect(Number(tokensPerSecond?.replaceAll(',', ''))).toBeGreaterThan(0);
    },
    TIMEOUT,
  );

  it(
    'is not fit when the cache cannot be written',
    async () => {
      const blocked = join(work, 'blocked');
      writeFileSync(blocked, '');
      const { code: exit, stdout } = await runTrainer(['doctor'], work, { XDG_CACHE_HOME: blocked });
      expect(stdout).toMatch(/^FAIL {2}the cache cannot be written/m);
      expect(exit).toBe(1);
    },
    TIMEOUT,
  );
});

describe('config', () => {
  it(
    'prints what a command line would run, as a file that --config reads, and its schema',
    async () => {
      const shown = await succeed(['config', 'show', '--preset', 'tiny', '--router', 'switch', '--steps', '3']);
      const file = join(work, 'shown.yaml');
      writeFileSync(file, shown);
      expect(await succeed(['config', 'show', '--config', file])).toBe(shown);

      const schema = join(work, 'settings.schema.json');
      await succeed(['config', 'schema', '--out', schema]);
      expect(JSON.parse(readFileSync(schema, 'utf8'))).toHaveProperty('properties.size.properties.experts');
      expect(await succeed(['config', 'presets'])).toMatch(/^paper\/qwen3-moe +645\.4M +1105\.9M /m);
      expect(existsSync(join(work, 'runs'))).toBe(false);
    },
    TIMEOUT,
  );
});
