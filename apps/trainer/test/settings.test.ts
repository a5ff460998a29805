import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { latentPrototypePresets } from '@lpr/moe';
import { afterAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { PRESETS } from '../src/settings/decisions.ts';
import { checkSettings, checkStoredSettings } from '../src/settings/check.ts';
import { withTodaysPaths } from '../src/settings/earlier.ts';
import { resolveSettings, routerNames, type SettingOptions } from '../src/settings/resolve.ts';
import { groupOf, ROUTERS } from '../src/settings/routers.ts';

const options: SettingOptions = { preset: 'tiny', seed: 5, config: [], set: [] };

const work = mkdtempSync(join(tmpdir(), 'lpr-settings-'));
afterAll(() => rmSync(work, { recursive: true }));

/** Writes a configuration file and gives its path. */
function configFile(name: string, text: string): string {
  const path = join(work, name);
  writeFileSync(path, text);
  return path;
}

describe('resolveSettings', () => {
  it('takes every preset with every router, and comes back from YAML as it was', () => {
    for (const preset of Object.keys(PRESETS)) {
      for (const router of ROUTERS) {
        const settings = resolveSettings({ ...options, preset, router });
        expect(checkSettings(parse(stringify(settings)), 'config.yaml')).toEqual(settings);
        const groups = ['balancing', 'lpr', 'method'].filter((group) => group in settings);
        expect(groups).toEqual([groupOf(router)].filter((group) => group !== null));
      }
    }
  });

  it('writes down every switch of the formulation that a router stands for', () => {
    expect(resolveSettings(options).lpr).toEqual(latentPrototypePresets.corrected);
    expect(resolveSettings({ ...options, router: 'lpr-official' }).lpr).toEqual(latentPrototypePresets.official);
  });

  it('gives the dense mixture all experts, latent experts their width, and a dense model no group', () => {
    const mixture = resolveSettings({ ...options, router: 'denseMixture', set: ['size.experts=12'] });
    expect(mixture.size).toMatchObject({ experts: 12, topK: 12 });
    const latent = resolveSettings({ ...options, router: 'latent-experts', set: ['size.expertWidth=24'] });
    expect(latent.model).toMatchObject({ expert_latent_dim: 24 });
    const narrow = { ...options, router: 'latent-experts', set: ['model.expert_latent_dim=8'] };
    expect(resolveSettings(narrow).model).toMatchObject({ expert_latent_dim: 8 });
    const width = { ...options, router: 'dense', set: ['model.expert_latent_dim=8'] };
    expect(() => resolveSettings(width)).toThrow('model.expert_latent_dim: got 8, but nothing reads it');
    const foreign = { ...options, router: 'dense', set: ['balancing.auxiliaryLoss=0.1'] };
    expect(() => resolveSettings(foreign)).toThrow('balancing: the router dense does not read this group');
    const none = { ...options, router: 'top-k', set: ['model.mlp_only_layers=[0, 1, 2, 3]'] };
    expect(() => resolveSettings(none)).toThrow('leaves no layer with experts');
  });

  it('gives a hash table a row for every token', () => {
    for (const set of [[], ['size.vocabulary=1000']]) {
      const { method, size } = resolveSettings({ ...options, router: 'hash', set });
      expect(method).toEqual({ vocabulary: size.vocabulary });
    }
  });

  it('gives LPR with token latents one for every token, and the rest of what LPR has', () => {
    for (const arch of ['qwen3-moe', 'deepseek-v3'] as const) {
      const { lpr, size, training } = resolveSettings({ ...options, arch, router: 'lpr-tokens' });
      const plain = resolveSettings({ ...options, arch, router: 'lpr' });
      expect(lpr).toEqual({ ...plain.lpr, vocabulary: size.vocabulary });
      expect(training).toEqual(plain.training);
    }
    expect(() => resolveSettings({ ...options, router: 'lpr-tokens', set: ['lpr.vocabulary=1'] })).toThrow(
      'vocabulary must be at least vocab_size',
    );
  });

  it('calibrates LPR with a bias alone, unless it is asked for what cannot be', () => {
    const calibrationOf = (changes: Partial<SettingOptions>, compared: Parameters<typeof resolveSettings>[1] = []) =>
      resolveSettings({ ...options, ...changes }, compared).training.calibration;
    const own = { tokens: 16_384, rounds: 1 };
    expect(calibrationOf({})).toEqual(own);
    expect(calibrationOf({ arch: 'deepseek-v3' })).toEqual(own);
    expect(calibrationOf({ set: ['lpr.selectionBiasRate=0'] })).toBeNull();
    expect(calibrationOf({ set: ['size.topK=8'] })).toBeNull();
    for (const router of ['lpr-paper', 'top-k'] as const) expect(calibrationOf({ router })).toBeNull();
    const set = ['training.calibration={tokens: 64, rounds: 1}'];
    expect(calibrationOf({ router: 'top-k', arch: 'deepseek-v3', set })).toEqual({ tokens: 64, rounds: 1 });
    expect(() => calibrationOf({ router: 'top-k', set })).toThrow(
      'training.calibration: got {"tokens":64,"rounds":1}, but no router of this model has a selection bias',
    );
    expect(() => calibrationOf({ set: [...set, 'lpr.selectionBiasRate=0'] })).toThrow('no router of this model');
    // In a comparison it is for those that can.
    expect(calibrationOf({ router: 'top-k', set }, ['top-k', 'lpr'])).toBeNull();
    expect(calibrationOf({ router: 'lpr', set }, ['top-k', 'lpr'])).toEqual({ tokens: 64, rounds: 1 });
  });

  it('puts options and --set over the preset, and leaves the preset alone', () => {
    const set = [
      'size.experts=16',
      'training.learningRate=5e-3',
      'lpr.temperature=2.5',
      'data.tokenizer={path: t.json}',
    ];
    const settings = resolveSettings({ ...options, steps: 7, threads: 1, set });
    expect(settings.training.steps).toBe(7);
    expect(settings.threads).toBe(1);
    expect(settings.size.experts).toBe(16);
    expect(settings.training.learningRate).toBe(0.005);
    expect(settings.lpr?.temperature).toBe(2.5);
    expect(settings.data.tokenizer).toEqual({ path: 't.json' });
    expect(resolveSettings(options).size.experts).toBe(PRESETS['tiny']?.size.experts);
    // The same command line serves the other run of a comparison.
    expect(resolveSettings({ ...options, router: 'top-k', set }, ['top-k', 'lpr']).lpr).toBeUndefined();
  });

  it('takes architecture and router from --set as from their options', () => {
    const set = ['router=lpr-paper', 'architecture=mixtral'];
    const named = resolveSettings({ ...options, router: 'lpr-paper', arch: 'mixtral' });
    expect(resolveSettings({ ...options, set })).toEqual(named);
    expect(routerNames({ ...options, set })).toBe('lpr-paper');
    // A comparison trains the routers that it names.
    expect(resolveSettings({ ...options, router: 'top-k', set }, ['top-k', 'lpr-paper']).router).toBe('top-k');
  });

  it('lays files over the preset from left to right, options over files, and --set over all', () => {
    const config = [
      configFile(
        'first.yaml',
        'preset: tiny\nrouter: lpr-paper\nseed: 1\nsize: {experts: 16, topK: 4}\nlpr: {latentDim: 8}',
      ),
      configFile('second.yaml', '# only this\nsize:\n  topK: 3\n'),
      configFile('third.json', '{"training": {"steps": 9, "logEvery": 3}}'),
      configFile('empty.yaml', '# nothing\n'),
    ];
    const settings = resolveSettings({ config, seed: 2, steps: 8, set: ['training.logEvery=4'] });
    expect(settings).toMatchObject({
      router: 'lpr-paper',
      seed: 2,
      size: { ...PRESETS['tiny']?.size, experts: 16, topK: 3 },
      training: { steps: 8, logEvery: 4 },
    });
    expect(settings.lpr).toEqual({ ...latentPrototypePresets.paper, latentDim: 8 });
    expect(resolveSettings({ config, set: [], preset: 'quick' }).size.hidden).toBe(128);
  });

  it('reads the settings of runs from before a field was there', () => {
    const settings = resolveSettings(options);
    const { model: _, training, data, evaluation, ...rest } = settings;
    const { accumulation, accumulatedTerms, schedule, decay, weightDecayGroups, ...others } = training;
    expect([accumulation, accumulatedTerms, schedule, decay, weightDecayGroups]).toEqual([
      1,
      'mean',
      'warmupStableDecay',
      'cosine',
      [],
    ]);
    const { gradientNormsEvery, lossSpike, ...older } = others;
    expect([gradientNormsEvery, lossSpike]).toEqual([null, null]);
    const { sources: _sources, tokenizer: _tokenizer, ...sizes } = data;
    const stored = (corpus: unknown) => ({
      ...rest,
      training: older,
      data: { ...sizes, corpus },
      evaluation: { tokens: evaluation.tokens, batchSize: evaluation.batchSize },
    });
    expect(checkStoredSettings(stored('state-of-the-union'), 'config.yaml')).toEqual(settings);
    expect(() => checkStoredSettings(stored(['a.txt']), 'config.yaml')).toThrow('start it anew with data.sources');
  });

  it('reads settings under the names that they had before', () => {
    const settings = resolveSettings({ ...options, router: 'lpr-official' });
    const { prototypeStart, ...switches } = settings.lpr!;
    expect(prototypeStart).toBe('normal');
    const stored = { ...settings, lpr: { ...switches, unitBall: false } };
    expect(checkStoredSettings(stored, 'config.yaml')).toEqual(settings);
    const { vocabulary: _, precedingLatents: __, ...before } = settings.lpr!;
    expect(checkStoredSettings({ ...settings, lpr: before }, 'config.yaml')).toEqual(settings);
    const asked = resolveSettings({ ...options, router: 'lpr', set: ['lpr.unitBall=false'] });
    expect(asked.lpr).toMatchObject({ prototypeStart: 'normal' });
    expect(withTodaysPaths({ seed: 1, 'lpr.unitBall': true, 'lpr.latentDim': 4 })).toEqual({
      'training.calibration': null,
      seed: 1,
      'lpr.vocabulary': 0,
      'lpr.precedingLatents': false,
      'lpr.prototypeStart': 'sphere',
      'lpr.latentDim': 4,
    });
    const tokens = { 'training.calibration': null, 'lpr.vocabulary': 300 };
    expect(withTodaysPaths(tokens)).toEqual({ ...tokens, 'lpr.precedingLatents': false });
    const both = { ...tokens, 'lpr.precedingLatents': true };
    expect(withTodaysPaths(both)).toEqual(both);
    const calibration = { 'training.calibration.tokens': 64, 'training.calibration.rounds': 1 };
    expect(withTodaysPaths(calibration)).toEqual(calibration);
  });

  it('takes text files in place of what the preset trains on', () => {
    expect(resolveSettings({ ...options, text: ['a.txt', 'b/*.md'] }).data.sources).toEqual([
      { type: 'text', paths: ['a.txt'] },
      { type: 'text', paths: ['b/*.md'] },
    ]);
    const set = ['data.sources.0.maxTokens=2', 'data.sources.1.domain=notes'];
    expect(resolveSettings({ ...options, text: ['a.txt', 'b/*.md'], set }).data.sources).toEqual([
      { type: 'text', paths: ['a.txt'], maxTokens: 2 },
      { type: 'text', paths: ['b/*.md'], domain: 'notes' },
    ]);
  });

  it('reads what it wrote as a configuration file', () => {
    for (const router of ['lpr-official', 'lpr-tokens', 'top-k', 'sinkhorn'] as const) {
      const settings = resolveSettings({ ...options, router, set: ['size.experts=12'] });
      const file = configFile('written.yaml', stringify(settings));
      expect(resolveSettings({ config: [file], set: [] })).toEqual(settings);
    }
  });

  it.each([
    [{ preset: 'tinny' }, 'unknown preset "tinny". Did you mean tiny?'],
    [{ router: 'topk' }, 'unknown router "topk". Did you mean top-k?'],
    [{ arch: 'mistral' }, 'unknown architecture "mistral". Did you mean mixtral?'],
    [{ device: 'cuda' }, 'unknown device "cuda". Known: wasm'],
    [{ set: ['size.expert=3'] }, 'unknown setting "size.expert". Did you mean size.experts?'],
    [{ set: ['sized.experts=3'] }, 'unknown setting "sized". Did you mean size?'],
    [{ set: ['__proto__.x=1'] }, 'unknown setting "__proto__"'],
    [{ set: ['size.__proto__=1'] }, 'unknown setting "size.__proto__"'],
    [{ set: ['training.learningRate=.inf'] }, 'training.learningRate: got Infinity, expected a number'],
    [{ set: ['lpr.temprature=3'] }, 'unknown setting "lpr.temprature". Did you mean lpr.temperature?'],
    [{ router: 'top-k', set: ['lpr.temperature=3'] }, 'lpr: the router top-k does not read this group'],
    [{ router: 'sinkhorn', set: ['method.tolerence=3'] }, 'unknown setting'],
    [{ router: 'xmoe', set: ['method.projectionDim=0.5'] }, 'method.projectionDim'],
    [{ set: ['model.norm_topk_probs=true'] }, 'model.norm_topk_probs is not a key'],
    [{ set: ['model.num_experts_per_tok=3'] }, 'model.num_experts_per_tok: got 3, but it is decided by size.topK'],
    [
      { set: ['lpr.attentionHeads=3'] },
      'lpr: latentPrototype router: attentionHeads must divide latentDim (16), got 3',
    ],
    [{ set: ['lpr=3'] }, 'lpr: got 3, expected a group of settings'],
    [{ router: 'hash', set: ['size.vocabulary=many'] }, 'size.vocabulary: got "many"'],
    [{ set: ['training.schedule=cosin'] }, 'training.schedule: got "cosin", expected one of warmupStableDecay, cosine'],
    [{ set: ['training.weightDecayGroups=[{names: ["*.nrm"], weightDecay: 0}]'] }, 'training.weightDecayGroups: AdamW'],
    [
      { set: ['training.learningRateGroups=[{names: ["*.gates.*"], factor: 1}]'] },
      'training.learningRateGroups: AdamW',
    ],
    [{ set: ['training.learningRateGroups=[{names: ["*"], factor: -1}]'] }, 'training.learningRateGroups.0.factor'],
    [{ set: ['training.weightDecayGroups=[{name: a}]'] }, 'training.weightDecayGroups.0.names'],
    [{ arch: 'deepseek-v3', set: ['model.first_k_dense_replace=2'] }, 'model: leaves no layer with experts'],
    [{ set: ['model.rope_theta=-1'] }, 'model.rope_theta: got -1, expected a number above 0'],
    [{ set: ['size=3'] }, 'size is a group; name one of vocabulary, hidden'],
    [{ set: ['seed.a=3'] }, 'seed is no group'],
    [{ set: ['size.experts'] }, 'expected path=value'],
    [{ set: ['size.topK=0'] }, 'size.topK: got 0, expected a number of at least 1'],
    ...[Number.MAX_SAFE_INTEGER, 400_000_000, 2 ** 20].map((accumulation): [Partial<SettingOptions>, string] => [
      { set: [`training.accumulation=${accumulation}`] },
      `training.accumulation: got ${accumulation}, which makes the batches of a step, with data.batchSize `,
    ]),
    [
      { set: ['training.accumulation=1000', 'data.batchSize=2000', 'data.sequenceLength=1024'] },
      'data.sequenceLength 1024, take 15.3 GiB of memory, expected at most 1; lower one of the three',
    ],
    [{ set: ['size.topK=9'] }, 'size.topK: got 9, but there are only 8 experts'],
    [{ set: ['size.experts=many'] }, 'size.experts: got "many", expected a'],
    [{ set: ['size.keyValueHeads=4'] }, 'must be a multiple of size.keyValueHeads'],
    [{ set: ['size.headDim=15'] }, 'even number'],
    [{ set: ['lpr.temperature=0'] }, 'lpr.temperature: got 0, expected a number above 0'],
    [{ set: ['lpr.alignment=official2'] }, 'lpr.alignment: got "official2", expected one of paper, official'],
    [{ set: ['data.heldOutFraction=0'] }, 'data.heldOutFraction: got 0, so there is nothing to evaluate on'],
    [
      { set: ['evaluation.sources=[{type: text, path: a}]'] },
      'evaluation.sources.0.paths: got nothing, expected a list',
    ],
    [{ set: ['evaluation.patience=3'] }, 'evaluation.patience: needs evaluations to wait for; set evaluation.every'],
    [{ set: ['training.lossSpike={sigma: 3}'] }, 'unknown setting "training.lossSpike.sigma". Did you mean'],
    [{ set: ['training.warmup=0.9'] }, 'together at most 1'],
    [{ set: ['data.corpus=a.txt'] }, 'unknown setting "data.corpus". Known: data.sources, data.tok'],
    [{ set: ['data.sources.1.weight=2'] }, 'data.sources is a list of 1; 1 is no place in it'],
    [
      { set: ['data.sources.0.wieght=2'] },
      'unknown setting "data.sources.0.wieght". Did you mean data.sources.0.weight?',
    ],
    [
      { set: ['data.sources=[{type: txt, paths: [a]}]'] },
      'data.sources.0.type: got "txt", expected one of state-of-the',
    ],
    [{ set: ['data.sources=[{type: hub, dataset: a/b}]'] }, 'data.sources.0.maxTokens: got nothing'],
    [
      { set: ['data.sources=[{type: text, paths: [a], weight: 2}, {type: text, paths: [b]}]'] },
      'data.sources.1.weight: got nothing, but another source has a weight',
    ],
    [{ set: ['data.sources=[]'] }, 'data.sources: got [], expected a list of at least 1 entries'],
    [{ set: ['data.tokenizer=byte'] }, 'data.tokenizer: got "byte", expected one of train, bytes, qwen3, or'],
    [
      { set: ['training.steps=40', 'training.lengthened=[{steps: 20, until: 20}, {steps: 40, until: 30}]'] },
      'training.lengthened: got [{"steps":20,"until":20},{"steps":40,"until":30}] before 40 steps; each time there must be more',
    ],
    [
      { set: ['training.steps=40', 'training.lengthened=[{steps: 20, until: 21}]'] },
      'training.lengthened: got [{"steps":20,"until":21}] before 40 steps',
    ],
    [{ set: ['training.lengthened=[]'] }, 'training.lengthened: got []'],
    [{ set: ['from=/no/such'] }, 'from: there is no /no/such'],
    [{ set: ['from=3'] }, 'from: got 3'],
    [{ config: ['/no/such/file.yaml'] }, '--config /no/such/file.yaml: ENOENT'],
    [{ config: [configFile('broken.yaml', 'size: {experts: 3')] }, 'broken.yaml'],
    [
      { config: [configFile('endless.yaml', 'seed: &a [*a]')] },
      'endless.yaml: seed.0: the alias stands for what holds it',
    ],
    [{ set: ['seed=&a [*a]'] }, '--set seed=&a [*a]: 0: the alias stands for what holds it'],
    [{ config: [configFile('list.yaml', '[1, 2]')] }, 'expected settings such as "seed: 1", got [1,2]'],
    [{ config: [configFile('preset.yaml', 'preset: smal')], preset: undefined }, 'Did you mean small?'],
  ])('refuses %o', (change, message) => {
    const { preset, ...rest } = { ...options, ...change };
    expect(() => resolveSettings(preset === undefined ? rest : { ...rest, preset })).toThrow(message);
  });

  it('lists every fault, each with its path', () => {
    const set = ['size.topK=0', 'training.stepz=3', 'lpr.strength=-1'];
    expect(() => resolveSettings({ ...options, set })).toThrow(
      /^settings:\n- lpr\.strength: got -1, expected .*\n- size\.topK: got 0, .*\n- unknown setting "training\.stepz"\. Did you mean training\.steps\?/,
    );
  });
});
