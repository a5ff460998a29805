import { describe, expect, it } from 'vitest';
import { countParameters, parseDecoderConfig, planDecoder } from '../src/index.ts';
import {
  familyConfig,
  messageOf,
  releasedDeepseekJson,
  releasedJson,
  releasedMixtralJson,
  smallConfig,
  smallJson,
} from './support.ts';

describe('parseDecoderConfig', () => {
  it('fills in the defaults of Hugging Face', () => {
    expect(smallConfig()).toMatchObject({
      rms_norm_eps: 1e-6,
      rope_theta: 10_000,
      attention_bias: false,
      decoder_sparse_step: 1,
    });
  });

  it('is not changed by being parsed again', () => {
    expect(parseDecoderConfig(JSON.parse(JSON.stringify(smallConfig())))).toEqual(smallConfig());
  });

  it.each([
    [{ hidden_size: '64' }, 'config: hidden_size: got "64", expected a whole number of at least 1'],
    [{ hidden_size: undefined }, 'config: hidden_size: got nothing, expected a whole number of at least 1'],
    [{ num_hidden_layers: 1e7 }, 'config: num_hidden_layers: got 10000000, expected a whole number of at most 4096'],
    [{ num_experts: 2 ** 31 }, 'config: num_experts: got 2147483648, expected a whole number of at most 2147483647'],
    [
      { num_experts: 2 ** 30, num_experts_per_tok: 2 ** 29 },
      'config: num_experts: got 1073741824, expected at most 65536 experts in all of num_hidden_layers, ',
    ],
    [{ hidden_size: 1e300 }, 'config: hidden_size: got 1e+300, expected a whole number of at least 1'],
    [{ num_experts: 0 }, 'config: num_experts: got 0, expected a whole number of at least 1'],
    [{ num_expert: 8 }, 'config: num_expert is not a key of qwen3_moe configs; did you mean num_experts?'],
    [{ num_experts_per_tok: 7 }, 'config: num_experts_per_tok: got 7, expected at most num_experts, 6'],
    [{ num_key_value_heads: 3 }, 'config: num_attention_heads: got 4, expected a multiple of num_key_value_heads, 3'],
    [{ head_dim: 7 }, 'config: head_dim: got 7, expected an even number'],
    [{ tie_word_embeddings: 'yes' }, 'config: tie_word_embeddings: got "yes", expected true or false'],
    [{ use_qk_norm: false }, 'config: use_qk_norm: got false, expected true, the only value'],
    [{ qkv_bias: true }, 'config: qkv_bias: got true, expected false, the only value'],
    [{ initializer_range: 0 }, 'config: initializer_range: got 0, expected a number above 0'],
    [{ mlp_only_layers: [0, -1] }, 'config: mlp_only_layers.1: got -1, expected a whole number of at least 0'],
    [{ router_type: 'topk' }, 'config: router_type: got "topk", expected one of "vanilla", "lpr"'],
    [{ model_type: 'qwen4' }, 'config: model_type: got "qwen4", expected one of qwen3_moe, mixtral, deepseek_v3'],
    [
      { router_type: 'lpr', lpr_options: { temprature: 2 } },
      'config: lpr_options: LPR: temprature must be one of the settings',
    ],
    [
      { router_type: 'topKSoftmax', router_options: { renormalise: true } },
      'config: router_options: topKSoftmax: renormalise must be one of the settings kind, renormalize',
    ],
  ])('rejects %j', (changes, message) => {
    expect(messageOf({ ...smallJson, ...changes })).toContain(message);
  });

  it.each([
    ['mixtral', { num_local_experts: 2 ** 30 }, 'config: num_local_experts: got 1073741824, expected at most 65536'],
    [
      'deepseek_v3',
      { n_routed_experts: 3 * 2 ** 20, num_hidden_layers: 4096 },
      'expected at most 65536 experts in all',
    ],
    ['mixtral', { num_local_experts: 1 }, 'config: num_experts_per_tok: got 2, expected at most num_local_experts, 1'],
    ['mixtral', { num_attention_heads: 16 }, 'config: head_dim: got nothing, expected an even number'],
    [
      'mixtral',
      { sliding_window: 31 },
      'config: sliding_window: got 31, expected null, or at least max_position_embeddings, 32',
    ],
    [
      'mixtral',
      { num_experts: 8 },
      'config: num_experts: got 8, expected what num_local_experts says, 6; leave one of the two out',
    ],
    [
      'qwen3_moe',
      { quantization_config: { bits: 4 } },
      'quantization_config: got {"bits":4}, expected null: load the weights',
    ],
    ['qwen3_moe', { rope_scaling: { rope_type: 'yarn', factor: 4 } }, 'factor":4}, expected null, the only value'],
    ['qwen3_moe', { rope_parameters: [] }, 'config: rope_parameters: got [], expected an object of rope_theta and'],
    ['mixtral', { attention_bias: true }, 'config: attention_bias is not a key of mixtral configs'],
    ['deepseek_v3', { qk_rope_head_dim: 3 }, 'config: qk_rope_head_dim: got 3, expected an even number'],
    ['deepseek_v3', { kv_lora_rank: null }, 'config: kv_lora_rank: got null, expected a whole number of at least 1'],
    ['deepseek_v3', { n_routed_experts: 1 }, 'expected at most n_routed_experts, 1'],
    ['deepseek_v3', { n_group: 4 }, 'config: n_group: got 4, expected a divisor of n_routed_experts, 6'],
    ['deepseek_v3', { topk_group: 4 }, 'config: topk_group: got 4, expected at most n_group, 3, and so many that'],
    ['deepseek_v3', { num_experts_per_tok: 5 }, 'config: topk_group: got 2, expected at most n_group, 3, and so many'],
    ['deepseek_v3', { n_shared_experts: 2 ** 31 }, 'got 2147483648, expected a whole number of at most 2147483647'],
    [
      'deepseek_v3',
      { n_shared_experts: 2 ** 30, moe_intermediate_size: 4 },
      'n_shared_experts: got 1073741824, expected so many that with moe_intermediate_size, 4, they are at most 2147483647',
    ],
    ['deepseek_v3', { scoring_func: 'softmax' }, 'scoring_func: got "softmax", expected "sigmoid", the only value'],
    [
      'deepseek_v3',
      { rope_parameters: { rope_theta: 1e4, rope_type: 'yarn' } },
      'config: rope_parameters.rope_type: got "yarn", expected "default", the only value',
    ],
  ] as const)('rejects %s with %j', (family, changes, message) => {
    expect(messageOf({ ...familyConfig(family), ...changes })).toContain(message);
  });

  it('reads what public models write', () => {
    // Qwen3-Coder-30B-A3B has these of its own; other files have null for none.
    const coder = { use_qk_norm: true, qkv_bias: false, shared_expert_intermediate_size: 0, mlp_only_layers: null };
    const config = parseDecoderConfig({ ...smallJson, ...coder });
    expect(planDecoder(config)).toEqual(planDecoder(parseDecoderConfig({ ...smallJson, mlp_only_layers: [] })));
    expect(parseDecoderConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
    expect(planDecoder(parseDecoderConfig({ ...smallJson, initializer_range: 0.006 })).weightStd).toBe(0.006);
  });

  it('reads the number of experts under the names that versions of transformers give it', () => {
    const { num_experts: experts, ...qwen } = smallJson;
    expect(parseDecoderConfig({ ...qwen, num_local_experts: experts })).toEqual(smallConfig());
    expect(parseDecoderConfig({ ...smallJson, num_local_experts: experts })).toEqual(smallConfig());
    expect(familyConfig('deepseek_v3', { num_local_experts: 6 })).toEqual(familyConfig('deepseek_v3'));
    expect(familyConfig('mixtral', { num_local_experts: undefined, num_experts: 6 })).toMatchObject({
      num_local_experts: 6,
    });
    expect(messageOf({ ...qwen, num_local_experts: 0 })).toMatch(/^config: num_experts: got 0, expected a whole/);
  });

  it('takes keys that change nothing', () => {
    const inert = {
      ...{ rope_scaling: { rope_type: 'default' }, rope_parameters: null, quantization_config: null },
      ...{ return_dict: true, output_hidden_states: false, is_decoder: false, _attn_implementation_autoset: true },
    };
    for (const family of ['qwen3_moe', 'mixtral', 'deepseek_v3'] as const) {
      expect(planDecoder(familyConfig(family, inert))).toEqual(planDecoder(familyConfig(family)));
    }
    // All that a context of 32 tokens may look back.
    const reaching = familyConfig('mixtral', { sliding_window: 32 });
    expect(planDecoder(reaching)).toEqual(planDecoder(familyConfig('mixtral')));
  });

  it('proposes a key only where one is near, and says where an unknown one lies', () => {
    expect(messageOf({ ...smallJson, num_expert: 8 })).toMatch(/; did you mean num_experts\?$/);
    expect(messageOf({ ...smallJson, hybrid_pattern: 'M*' })).toBe(
      'config: hybrid_pattern is not a key of qwen3_moe configs',
    );
    expect(messageOf({ ...smallJson, rope_parameters: { rope_theta: 1e4, factor: 4 } })).toBe(
      'config: rope_parameters.factor is not a key of qwen3_moe configs',
    );
  });

  it('names what is wrong with something nested deeply, or long', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(20_000)}${']'.repeat(20_000)}`);
    expect(messageOf({ ...smallJson, hidden_size: deep })).toMatch(
      /^config: hidden_size: got something nested too deeply to be shown, expected a whole number/,
    );
    for (const field of ['mlp_only_layers', 'lpr_options', 'rope_parameters', 'model_type', 'architectures']) {
      expect(messageOf({ ...smallJson, [field]: deep }).length, field).toBeLessThan(300);
    }
    expect(messageOf({ ...smallJson, hidden_size: 'x'.repeat(1e6) }).length).toBeLessThan(300);
    expect(messageOf(deep)).toMatch(/^config: model_type: got nothing/);
  });

  it('derives the width of heads where the config leaves it out', () => {
    for (const head_dim of [undefined, null]) {
      const { attention } = planDecoder(familyConfig('mixtral', { head_dim })).layers[0]!;
      expect(attention).toMatchObject({ kind: 'groupedQuery', headDim: 6 });
    }
  });

  it('reads the rotary base where transformers 5 writes it', () => {
    const config = familyConfig('mixtral', { rope_parameters: { rope_theta: 5e5, rope_type: 'default' } });
    expect(planDecoder(config).rotary.theta).toBe(5e5);
    expect(planDecoder(familyConfig('mixtral')).rotary.theta).toBe(1e6);
  });

  it('reports all problems at once', () => {
    expect(messageOf({ ...smallJson, hidden_size: 0, vocab_size: -1 }).split('\n')).toHaveLength(2);
    expect(messageOf(null)).toContain('model_type: got nothing');
  });
});

describe('countParameters', () => {
  const lpr = { router_type: 'lpr', lpr_formulation: 'official' };
  const table8 = { qk_nope_head_dim: 64, qk_rope_head_dim: 128, moe_intermediate_size: 128 };
  it.each([
    // [case, json, total, millions without embeddings, millions of these that a token passes]
    ['Qwen3', releasedJson, 645_413_376, 334.25, 51.13],
    ['Qwen3-LPR', { ...releasedJson, ...lpr }, 644_965_824, 333.8, 50.69],
    ['Mixtral', releasedMixtralJson, 629_683_200, 318.52, 35.4],
    ['Mixtral-LPR', { ...releasedMixtralJson, ...lpr }, 629_235_648, 318.07, 34.96],
    ['DeepSeek', releasedDeepseekJson, 621_351_936, 310.19, 66.88],
    ['DeepSeek of table 8', { ...releasedDeepseekJson, ...table8 }, 664_298_496, 353.13, 70.02],
    ['DeepSeek-LPR', { ...releasedDeepseekJson, ...lpr }, 620_904_384, 309.74, 66.44],
  ])('counts the released 0.6B %s', (name, json, total, withoutEmbeddings, active) => {
    const counts = countParameters(parseDecoderConfig(json));
    // The released code's moving averages are parameters there; DeepSeek's selection bias is none.
    const averages = name.endsWith('LPR') ? counts.buffers : 0;
    expect(averages).toBe(name.endsWith('LPR') ? 6 * 2176 : 0);
    expect(counts.total + averages).toBe(total);
    expect((counts.totalWithoutEmbeddings + averages) / 1e6).toBeCloseTo(withoutEmbeddings, 2);
    expect((counts.activeWithoutEmbeddings + averages) / 1e6).toBeCloseTo(active, 2);
  });

  // config.json of checkpoints on the hub, and what their model cards say of their size.
  it.each([
    [
      'Qwen3-30B-A3B',
      {
        architectures: ['Qwen3MoeForCausalLM'],
        attention_bias: false,
        attention_dropout: 0.0,
        bos_token_id: 151643,
        decoder_sparse_step: 1,
        eos_token_id: 151645,
        head_dim: 128,
        hidden_act: 'silu',
        hidden_size: 2048,
        initializer_range: 0.02,
        intermediate_size: 6144,
        max_position_embeddings: 40960,
        max_window_layers: 48,
        mlp_only_layers: [],
        model_type: 'qwen3_moe',
        moe_intermediate_size: 768,
        norm_topk_prob: true,
        num_attention_heads: 32,
        num_experts: 128,
        num_experts_per_tok: 8,
        num_hidden_layers: 48,
        num_key_value_heads: 4,
        output_router_logits: false,
        rms_norm_eps: 1e-6,
        rope_scaling: null,
        rope_theta: 1_000_000,
        router_aux_loss_coef: 0.001,
        sliding_window: null,
        tie_word_embeddings: false,
        torch_dtype: 'bfloat16',
        transformers_version: '4.51.0',
        use_cache: true,
        use_sliding_window: false,
        vocab_size: 151936,
      },
      30.5,
      3.3,
    ],
    [
      'Mixtral-8x7B',
      {
        architectures: ['MixtralForCausalLM'],
        attention_dropout: 0.0,
        bos_token_id: 1,
        eos_token_id: 2,
        hidden_act: 'silu',
        hidden_size: 4096,
        initializer_range: 0.02,
        intermediate_size: 14336,
        max_position_embeddings: 32768,
        model_type: 'mixtral',
        num_attention_heads: 32,
        num_experts_per_tok: 2,
        num_hidden_layers: 32,
        num_key_value_heads: 8,
        num_local_experts: 8,
        output_router_logits: false,
        rms_norm_eps: 1e-5,
        rope_theta: 1_000_000,
        router_aux_loss_coef: 0.02,
        sliding_window: null,
        tie_word_embeddings: false,
        torch_dtype: 'bfloat16',
        transformers_version: '4.36.0.dev0',
        use_cache: true,
        vocab_size: 32000,
      },
      46.7,
      12.9,
    ],
  ])('reads the config of %s and counts it', (_, json, billions, active) => {
    const counts = countParameters(parseDecoderConfig(json));
    // The cards give one digit after the point, cut or rounded.
    expect(Math.abs(counts.total / 1e9 - billions)).toBeLessThan(0.1);
    expect(Math.abs(counts.active / 1e9 - active)).toBeLessThan(0.1);
  });
});
