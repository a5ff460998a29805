import { type LatentPrototypeOptions, latentPrototypePresets, type RouterOptions } from '@lpr/moe';
import { describe, expect, it } from 'vitest';
import { type DecoderConfig, keysInUse, parseDecoderConfig, planDecoder } from '../src/index.ts';
import { configJson } from '../src/node.ts';
import { familyConfig, messageOf, smallConfig, smallJson } from './support.ts';

describe('the router of a config', () => {
  const routerOf = (changes: Readonly<Record<string, unknown>>): unknown => {
    const { feedForward } = planDecoder(smallConfig({ mlp_only_layers: [], ...changes })).layers[0]!;
    return feedForward.kind === 'moe' ? feedForward.router : null;
  };

  it('is the own router of the family by default', () => {
    expect(routerOf({})).toEqual({ kind: 'topKSoftmax', renormalize: true });
  });

  it('is any method by its name, with its settings', () => {
    expect(routerOf({ router_type: 'topKSoftmax' })).toEqual({ kind: 'topKSoftmax', renormalize: true });
    const router_options = { renormalize: false };
    expect(routerOf({ router_type: 'topKSoftmax', router_options })).toEqual({
      kind: 'topKSoftmax',
      ...router_options,
    });
  });

  it('of a name is checked against the experts', () => {
    expect(messageOf({ ...smallJson, router_type: 'switch' })).toBe(
      'config: router_options: switch router: topK must be 1 for this method, got 2',
    );
    expect(routerOf({ router_type: 'hash' })).toEqual({ kind: 'hash', vocabulary: 61 });
    expect(() => routerOf({ router_type: 'hash', router_options: { vocabulary: 60 } })).toThrow(
      'hash: vocabulary must be at least vocab_size (61)',
    );
  });

  it('has a latent for every token id where LPR asks for them', () => {
    const tokens = { router_type: 'lpr', lpr_formulation: 'tokens' };
    const { tokens: preset } = latentPrototypePresets;
    expect(routerOf(tokens)).toEqual({ kind: 'latentPrototype', ...preset, vocabulary: 61 });
    expect(routerOf({ router_type: 'lpr', lpr_options: { vocabulary: 64 } })).toMatchObject({ vocabulary: 64 });
    expect(() => routerOf({ ...tokens, lpr_options: { vocabulary: 60 } })).toThrow(
      'lpr_options: vocabulary must be at least vocab_size (61), since every token id has a row; got 60',
    );
  });

  it('is that of DeepSeek-V3 with groups and a scale, which LPR keeps in our formulations alone', () => {
    const routerOfLayer = (changes: Readonly<Record<string, unknown>>): unknown => {
      const { feedForward } = planDecoder(familyConfig('deepseek_v3', changes)).layers[1]!;
      return feedForward.kind === 'moe' ? feedForward.router : null;
    };
    const groups = { groups: 3, keptGroups: 2, weightScale: 2.5 };
    expect(routerOfLayer({ aux_loss_alpha: 1e-4 })).toEqual({
      ...groups,
      kind: 'deepSeekV3',
      renormalize: true,
      biasRate: 1e-3,
      sequenceLossWeight: 1e-4,
    });
    expect(routerOfLayer({ router_type: 'lpr' })).toMatchObject(groups);
    expect(routerOfLayer({ router_type: 'lpr', lpr_formulation: 'tokens' })).toMatchObject(groups);
    expect(routerOfLayer({ router_type: 'lpr', lpr_formulation: 'official' })).toMatchObject({
      groups: 1,
      weightScale: 1,
    });
  });

  it('takes the released keys of LPR and our switches over the formulation', () => {
    const keys = {
      router_type: 'lpr',
      router_latent_dim: 8,
      router_kl_loss_coef: 0.5,
      div_weight: 3,
      diversity_lambda: 0.5,
    };
    expect(routerOf({ ...keys, lpr_formulation: 'reference' })).toMatchObject({
      latentDim: 8,
      strength: 0.5,
      diversityWeight: 1.5,
      alignment: 'official',
    });
    expect(routerOf({ ...keys, lpr_options: { latentDim: 8, temperature: 3 } })).toMatchObject({
      latentDim: 8,
      temperature: 3,
      strength: 0.5,
      alignment: 'assignedMean',
    });
    expect(routerOf({ ...keys, lpr_formulation: 'paper', paper_div_target: 'prototypes' })).toMatchObject({
      diversityTarget: 'keys',
      diversityWeight: 3,
    });
  });
});

describe('what two keys decide', () => {
  const lpr = { router_type: 'lpr' };
  it.each([
    [
      { router_latent_dim: 8, lpr_options: { latentDim: 4 } },
      'config: router_latent_dim: got 8, expected what lpr_options.latentDim says, 4; leave one of the two out',
    ],
    [{ kl_weight: 0.5, lpr_options: { klWeight: 0.01 } }, 'config: kl_weight: got 0.5'],
    [{ router_kl_loss_coef: 0.5, lpr_options: { strength: 0 } }, 'config: router_kl_loss_coef: got 0.5'],
    [{ routing_metrics: 'Cosine', lpr_options: { measure: 'kl' } }, 'lpr_options.measure says, "kl"'],
    [{ unit_ball: false, lpr_options: { prototypeStart: 'sphere' } }, 'config: unit_ball: got false'],
    [{ unit_ball: false, lpr_options: { unitBall: true } }, 'config: unit_ball: got false'],
    [{ diversity_lambda: 0.5, lpr_options: { diversityWeight: 1 } }, 'config: diversity_lambda: got 0.5'],
    [
      { lpr_formulation: 'paper', paper_div_target: 'prototypes', lpr_options: { diversityTarget: 'both' } },
      'config: paper_div_target: got "prototypes"',
    ],
  ])('is refused where they differ: %j', (keys, message) => {
    expect(messageOf({ ...smallJson, ...lpr, ...keys })).toContain(message);
  });

  it.each([
    { kl_weight: 0.5, lpr_options: { klWeight: 0.5 } },
    { routing_metrics: 'DotProducts', lpr_options: { measure: 'dotProduct' } },
    { div_weight: 2, diversity_lambda: 0.5, lpr_options: { diversityWeight: 1 } },
    // What the formulation does not read decides nothing.
    { paper_div_target: 'prototypes', lpr_options: { diversityTarget: 'both' } },
    { lpr_formulation: 'paper', diversity_type: 'cosine', lpr_options: { diversity: 'euclidean' } },
    { router_type: 'vanilla', kl_weight: 0.5, lpr_options: { klWeight: 0.01 } },
  ])('is taken where they agree: %j', (keys) => {
    expect(messageOf({ ...smallJson, ...lpr, ...keys })).toBe('accepted');
  });
});

describe('config.json', () => {
  const routerOf = (config: DecoderConfig): RouterOptions[] =>
    planDecoder(config).layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward.router] : []));
  const groups = { n_group: 3, topk_group: 2, routed_scaling_factor: 2.5 };

  it.each([
    ['qwen3_moe', { lpr_formulation: 'paper' }],
    ['qwen3_moe', { lpr_formulation: 'reference', router_latent_dim: 8, diversity_lambda: 0.5 }],
    ['mixtral', { lpr_options: { measure: 'hellinger', groups: 2, keptGroups: 1 } }],
    ['qwen3_moe', { lpr_formulation: 'tokens' }],
    ['deepseek_v3', groups],
    ['deepseek_v3', { ...groups, lpr_formulation: 'official' }],
    ['deepseek_v3', { ...groups, lpr_options: { keptGroups: 3 } }],
    ['deepseek_v3', { ...groups, lpr_options: { ...latentPrototypePresets.corrected } }],
  ] as const)('gives the same router when it is read back: %s %j', (family, keys) => {
    const config = familyConfig(family, { router_type: 'lpr', ...keys });
    expect(routerOf(parseDecoderConfig(JSON.parse(configJson(config))))).toEqual(routerOf(config));
  });

  it('keeps the groups of DeepSeek-V3 with LPR, where lpr_options say nothing else', () => {
    const lprOf = (lpr_options?: Partial<LatentPrototypeOptions>): RouterOptions =>
      routerOf(familyConfig('deepseek_v3', { router_type: 'lpr', ...groups, lpr_options }))[0]!;
    expect(lprOf({ temperature: 3 })).toMatchObject({ groups: 3, keptGroups: 2, weightScale: 2.5, temperature: 3 });
    expect(lprOf({ keptGroups: 3 })).toMatchObject({ groups: 3, keptGroups: 3, weightScale: 2.5 });
    expect(lprOf(latentPrototypePresets.corrected)).toMatchObject({ groups: 1, keptGroups: 1, weightScale: 1 });
  });
});

describe('the keys in use', () => {
  const inUse = (config: DecoderConfig, keys: readonly string[]): string[] =>
    keys.filter((key) => keysInUse(config).has(key));

  it("are the own router's only where it routes", () => {
    const own = ['norm_topk_prob', 'n_group', 'topk_group', 'routed_scaling_factor', 'router_z_loss_coef'];
    const deepseek = (keys: Readonly<Record<string, unknown>>): string[] =>
      inUse(familyConfig('deepseek_v3', keys), own);
    expect(deepseek({})).toEqual(own);
    expect(deepseek({ router_type: 'lpr' })).toEqual(['n_group', 'topk_group', 'routed_scaling_factor']);
    expect(deepseek({ router_type: 'lpr', lpr_formulation: 'official' })).toEqual([]);
    expect(deepseek({ router_type: 'sinkhorn' })).toEqual([]);
  });

  it('are those of dense layers only where there are some', () => {
    expect(inUse(smallConfig({ mlp_only_layers: [0] }), ['intermediate_size'])).toEqual(['intermediate_size']);
    expect(inUse(smallConfig({ mlp_only_layers: [] }), ['intermediate_size'])).toEqual([]);
    expect(inUse(familyConfig('deepseek_v3', { first_k_dense_replace: 0 }), ['intermediate_size'])).toEqual([]);
  });

  it('are also those for other readers, but not what a save says anew', () => {
    const keys = ['eos_token_id', 'use_cache', 'torch_dtype', 'dtype', 'architectures'];
    expect(inUse(smallConfig(), keys)).toEqual(['eos_token_id', 'use_cache']);
  });
});
