import { configFields, type DecoderPlan, planDecoder } from '@lpr/model';
import { describe, expect, it } from 'vitest';
import { checkStoredSettings } from '../src/settings/check.ts';
import { ARCHITECTURE_TABLE } from '../src/settings/decisions.ts';
import { decoderConfig } from '../src/settings/decoder-config.ts';
import { resolveSettings, type SettingOptions } from '../src/settings/resolve.ts';
import type { RouterName } from '../src/settings/routers.ts';
import { ARCHITECTURES, type Architecture, type Settings } from '../src/settings/schema.ts';

const options: SettingOptions = { preset: 'tiny', config: [], set: [] };

function configOf(settings: Settings) {
  return decoderConfig(settings, settings.size.vocabulary);
}

function planOf(settings: Settings): DecoderPlan {
  return planDecoder(configOf(settings));
}

/** What a key of `config.json` is set to: the first few of these that it can have. */
const VALUES: readonly unknown[] = [
  ...[true, false, 2, 1, 0.25, 'layer', [0], { rope_theta: 5, rope_type: 'default' }, { temperature: 3 }, 'lpr'],
  ...['paper', 'kl', 'cosine', 'tokens', 'VectorSimilarity', 'silu', 'sigmoid', 'noaux_tc', null, 0],
  ...['qwen3_moe', 'mixtral', 'deepseek_v3', 0.02],
];
const VALUES_OF_A_KEY = 3;

/** Written into `config.json` for those who read it elsewhere. */
const NOTES = [
  ...['_name_or_path', 'auto_map', 'bos_token_id', 'eos_token_id', 'pad_token_id'],
  ...['transformers_version', 'use_cache'],
];

/** Of all architectures and routers. */
const ALWAYS = [
  ...[...NOTES, 'expert_latent_dim', 'initializer_range', 'rms_norm_eps', 'rope_parameters', 'rope_theta'],
  'tie_word_embeddings',
];
/** A dense model has no experts to share anything. */
const dense = (keys: readonly string[]): string[] => keys.filter((key) => key !== 'expert_latent_dim');
const DEEPSEEK = [
  ...ALWAYS,
  ...['attention_bias', 'first_k_dense_replace', 'kv_lora_rank', 'n_shared_experts', 'q_lora_rank'],
  ...['qk_nope_head_dim', 'qk_rope_head_dim', 'rope_interleave', 'v_head_dim'],
];
const QWEN = [...ALWAYS, 'attention_bias', 'decoder_sparse_step', 'mlp_only_layers'];
const GROUPS = ['n_group', 'routed_scaling_factor', 'topk_group'];

/** What the group `model` may set, where nothing else is set. */
const TAKEN: Readonly<Record<Architecture, Readonly<Record<string, readonly string[]>>>> = {
  'qwen3-moe': {
    'top-k': [...QWEN, 'norm_topk_prob', 'router_aux_loss_scope', 'router_z_loss_coef'],
    dense: dense(QWEN),
    others: QWEN,
  },
  mixtral: {
    'top-k': [...ALWAYS, 'router_aux_loss_scope', 'router_jitter_noise', 'router_z_loss_coef'],
    dense: dense(ALWAYS),
    others: [...ALWAYS, 'router_jitter_noise'],
  },
  'deepseek-v3': {
    'top-k': [
      ...[...DEEPSEEK, ...GROUPS],
      ...['aux_loss_alpha', 'norm_topk_prob', 'router_bias_update_rate', 'router_z_loss_coef'],
    ],
    lpr: [...DEEPSEEK, ...GROUPS],
    dense: dense(DEEPSEEK),
    others: DEEPSEEK,
  },
};

describe('every key of config.json', () => {
  const routers: readonly RouterName[] = ['top-k', 'lpr', 'lpr-paper', 'lpr-official', 'sinkhorn', 'dense'];
  it.each(ARCHITECTURES.flatMap((arch) => routers.map((router) => [arch, router] as const)))(
    'changes the model of %s with %s, or is refused by name',
    (arch, router) => {
      const taken = new Set<string>();
      const changing = new Set<string>();
      for (const [key, field] of Object.entries(configFields(ARCHITECTURE_TABLE[arch].modelType))) {
        // Of one group nothing can be left out.
        const grouped = key === 'topk_group' && TAKEN[arch][router]?.includes('n_group') ? ['model.n_group=4'] : [];
        const before = resolveSettings({ ...options, arch, router, set: grouped });
        const own = (configOf(before) as unknown as Readonly<Record<string, unknown>>)[key];
        const values = VALUES.filter((value) => field.safeParse(value).success).slice(0, VALUES_OF_A_KEY);
        expect(values, key).not.toEqual([]);
        for (const value of values) {
          const set = [...grouped, `model.${key}=${JSON.stringify(value)}`];
          let settings: Settings;
          try {
            settings = resolveSettings({ ...options, arch, router, set });
          } catch (error) {
            expect(String(error)).toMatch(new RegExp(`model: leaves no layer.*"${key}"|model\\.${key}[:.]`));
            continue;
          }
          taken.add(key);
          const now = (configOf(settings) as unknown as Readonly<Record<string, unknown>>)[key];
          if (JSON.stringify(now) === JSON.stringify(own)) continue;
          if (NOTES.includes(key)) expect(configOf(settings)).toHaveProperty([key], value);
          else expect(planOf(settings), `${key}: ${JSON.stringify(value)}`).not.toEqual(planOf(before));
          changing.add(key);
        }
      }
      const expected = TAKEN[arch][router] ?? TAKEN[arch]['others']!;
      expect([...taken].toSorted()).toEqual([...expected].toSorted());
      expect(changing).toEqual(taken);
    },
  );
});

describe('a key that would change nothing', () => {
  const read = 'but nothing reads it with the architecture';
  it.each([
    [
      {},
      ['model.router_latent_dim=8'],
      'model.router_latent_dim: got 8, but it is decided by lpr.latentDim; set that instead',
    ],
    [{}, ['model.kl_weight=0.5'], 'model.kl_weight: got 0.5, but it is decided by lpr.klWeight; set that instead'],
    [
      {},
      ['model.routing_metrics=kl'],
      'model.routing_metrics: got "kl", but it is decided by lpr.measure; set that instead',
    ],
    [
      {},
      ['model.lpr_formulation=paper'],
      'model.lpr_formulation: got "paper", but it is decided by router; set that instead',
    ],
    [{}, ['model.head_dim=8'], 'model.head_dim: got 8, but it is decided by size.headDim; set that instead'],
    [
      {},
      ['model.router_aux_loss_coef=1'],
      'model.router_aux_loss_coef: got 1, but it is decided by balancing.auxiliaryLoss',
    ],
    [
      { arch: 'mixtral' },
      ['model.intermediate_size=8'],
      'model.intermediate_size: got 8, but it is decided by size.expertWidth',
    ],
    [{}, ['model.intermediate_size=8'], `model.intermediate_size: got 8, ${read} qwen3-moe and the router lpr; leave`],
    [{}, ['model.norm_topk_prob=true'], `model.norm_topk_prob: got true, ${read} qwen3-moe and the router lpr; leave`],
    [
      { router: 'top-k', set: ['balancing.auxiliaryLoss=0'] },
      ['model.router_aux_loss_scope=layer'],
      `model.router_aux_loss_scope: got "layer", ${read} qwen3-moe and the router top-k; leave it out`,
    ],
    [
      { arch: 'deepseek-v3', router: 'lpr-official' },
      ['model.routed_scaling_factor=2.5'],
      `model.routed_scaling_factor: got 2.5, ${read} deepseek-v3 and the router lpr-official; leave it out`,
    ],
    [
      { arch: 'deepseek-v3' },
      ['model.n_group=4', 'model.topk_group=2', 'lpr.groups=2', 'lpr.keptGroups=2'],
      'model.n_group: got 4, but lpr.groups, which decides it with the router lpr, is 2; set one of the two',
    ],
    [{}, ['model.rope_parameters={rope_theta: 5}', 'model.rope_theta=3'], `model.rope_theta: got 3, ${read}`],
  ])('is refused by name: %j with %j', (change: Partial<SettingOptions>, set, message) => {
    const given = { ...options, ...change, set: [...(change.set ?? []), ...set] };
    expect(() => resolveSettings(given)).toThrow(message);
  });

  it('counts where other settings make it count', () => {
    const set = ['model.mlp_only_layers=[0]', 'model.intermediate_size=8'];
    expect(planOf(resolveSettings({ ...options, set })).layers[0]!.feedForward).toMatchObject({ width: 8 });
  });

  it('is passed over in a comparison with a router that reads it', () => {
    const set = ['model.norm_topk_prob=false', 'model.rope_theta=5'];
    const compared = ['top-k', 'lpr'] as const;
    expect(resolveSettings({ ...options, router: 'top-k', set }, compared).model).toEqual({
      norm_topk_prob: false,
      rope_theta: 5,
    });
    expect(resolveSettings({ ...options, router: 'lpr', set }, compared).model).toEqual({ rope_theta: 5 });
    expect(() => resolveSettings({ ...options, router: 'lpr', set }, ['lpr', 'sinkhorn'])).toThrow(
      'model.norm_topk_prob: got false',
    );
  });
});

describe('the groups of DeepSeek-V3', () => {
  const deepseek: SettingOptions = { ...options, arch: 'deepseek-v3', router: 'lpr' };
  const set = ['model.n_group=4', 'model.topk_group=2', 'model.routed_scaling_factor=2.5'];

  it('stay with LPR: in the settings, in config.json and in the router', () => {
    const settings = resolveSettings({ ...deepseek, set });
    const groups = { groups: 4, keptGroups: 2, weightScale: 2.5 };
    expect(settings.lpr).toMatchObject(groups);
    expect(settings.model).toEqual({ n_group: 4, topk_group: 2, routed_scaling_factor: 2.5 });
    expect(configOf(settings)).toMatchObject({ ...settings.model, lpr_options: groups });
    for (const { feedForward } of planOf(settings).layers) expect(feedForward).toMatchObject({ router: groups });
  });

  it('are those of the group lpr, where that has its own', () => {
    const own = resolveSettings({ ...deepseek, set: ['lpr.groups=4', 'lpr.keptGroups=2'] });
    expect(own.model).toEqual({});
    expect(planOf(own).layers[0]!.feedForward).toMatchObject({ router: { groups: 4, keptGroups: 2, weightScale: 1 } });
  });

  it('are read as they were trained in runs that said them twice', () => {
    const settings = resolveSettings(deepseek);
    const model = { n_group: 4, topk_group: 2, norm_topk_prob: false, v_head_dim: 8 };
    const { model: kept, lpr } = checkStoredSettings({ ...settings, model }, 'config.yaml');
    expect(kept).toEqual({ v_head_dim: 8 });
    expect(lpr).toMatchObject({ groups: 1, keptGroups: 1 });
    const chosen = { ...settings, model: { kl_weight: 0.5 } };
    expect(() => checkStoredSettings(chosen, 'config.yaml')).toThrow(
      'config.yaml: model.kl_weight: got 0.5, but it is decided by',
    );
  });
});
