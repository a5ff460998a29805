import { describe, expect, it } from 'vitest';
import { ConfigError, countParameters, parseDecoderConfig, planDecoder } from '../src/index.ts';
import { releasedJson, smallConfig, smallJson } from './support.ts';

function messageOf(json: unknown): string {
  try {
    parseDecoderConfig(json);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  return 'accepted';
}

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
    [{ num_experts: 0 }, 'config: num_experts: got 0, expected a whole number of at least 1'],
    [{ num_expert: 8 }, 'config: num_expert is not a key of qwen3_moe configs; did you mean num_experts?'],
    [{ num_experts_per_tok: 7 }, 'config: num_experts_per_tok: got 7, expected at most num_experts, 6'],
    [{ num_key_value_heads: 3 }, 'config: num_attention_heads: got 4, expected a multiple of num_key_value_heads, 3'],
    [{ head_dim: 7 }, 'config: head_dim: got 7, expected an even number'],
    [{ tie_word_embeddings: true }, 'config: tie_word_embeddings: got true, expected false, the only value'],
    [{ mlp_only_layers: [0, -1] }, 'config: mlp_only_layers.1: got -1, expected a whole number of at least 0'],
    [{ router_type: 'topk' }, 'config: router_type: got "topk", expected one of "vanilla", "lpr"'],
    [{ model_type: 'qwen4' }, 'config: model_type: got "qwen4", expected one of qwen3_moe'],
    [
      { router_type: 'lpr', lpr_options: { temprature: 2 } },
      'config: lpr_options: LPR: temprature must be one of the switches latentDim, scoreFrom, temperature',
    ],
  ])('rejects %j', (changes, message) => {
    expect(messageOf({ ...smallJson, ...changes })).toContain(message);
  });

  it('reports all problems at once', () => {
    expect(messageOf({ ...smallJson, hidden_size: 0, vocab_size: -1 }).split('\n')).toHaveLength(2);
    expect(messageOf(null)).toContain('model_type: got nothing');
  });
});

describe('the router of a config', () => {
  const routerOf = (changes: Readonly<Record<string, unknown>>): unknown => {
    const { feedForward } = planDecoder(smallConfig({ mlp_only_layers: [], ...changes })).layers[0]!;
    return feedForward.kind === 'moe' ? feedForward.router : null;
  };

  it('is the own router of the family by default', () => {
    expect(routerOf({})).toEqual({ kind: 'topKSoftmax', renormalize: true });
  });

  it('takes the released keys of LPR over the formulation and our switches over both', () => {
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
    expect(routerOf({ ...keys, lpr_options: { latentDim: 4, temperature: 3 } })).toMatchObject({
      latentDim: 4,
      temperature: 3,
      alignment: 'assignedMean',
    });
    expect(routerOf({ ...keys, lpr_formulation: 'paper', paper_div_target: 'prototypes' })).toMatchObject({
      diversityTarget: 'keys',
      diversityWeight: 3,
    });
  });
});

describe('countParameters', () => {
  it('counts the released 0.6B Qwen3-MoE', () => {
    const counts = countParameters(parseDecoderConfig(releasedJson));
    expect(counts.total).toBe(645_413_376);
    expect(counts.totalWithoutEmbeddings / 1e6).toBeCloseTo(334.25, 2);
    expect(counts.activeWithoutEmbeddings / 1e6).toBeCloseTo(51.13, 2);
    expect(counts.buffers).toBe(0);
  });

  it('counts it with the released LPR router, whose moving averages are buffers', () => {
    const counts = countParameters(
      parseDecoderConfig({ ...releasedJson, router_type: 'lpr', lpr_formulation: 'official' }),
    );
    expect(counts.total + counts.buffers).toBe(644_965_824);
    expect(counts.buffers).toBe(6 * 2176);
  });
});
