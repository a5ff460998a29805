/** What an evaluation says that tokens used of a model, against counting it token by token. */
import { evaluationBatches } from '@lpr/data';
import { createDecoder, type Decoder, parseDecoderConfig } from '@lpr/model';
import { createWasmDevice, sizeOf, type WasmDevice } from '@lpr/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { evaluate, type RoutedBatch } from '../src/index.ts';
import { tokens, vocabulary } from './models.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 1 });
});
afterAll(async () => await device.dispose());

const SEQUENCE = 8;
const [LAYERS, HEADS, HEAD_DIM, EXPERTS] = [2, 2, 8, 6];

const shared = {
  ...{ vocab_size: vocabulary, hidden_size: 16, num_hidden_layers: LAYERS, num_attention_heads: HEADS },
  ...{ num_experts_per_tok: 2, moe_intermediate_size: 8, intermediate_size: 8, max_position_embeddings: 16 },
};

const qwen3 = {
  ...{ model_type: 'qwen3_moe', num_key_value_heads: 1, head_dim: HEAD_DIM, num_experts: EXPERTS },
  ...shared,
};

/** With two shared experts, and a layer without any. */
const deepSeek = {
  ...{ model_type: 'deepseek_v3', n_routed_experts: EXPERTS, n_shared_experts: 2, first_k_dense_replace: 1 },
  ...{ q_lora_rank: null, kv_lora_rank: 6, qk_nope_head_dim: 6, qk_rope_head_dim: 2, v_head_dim: HEAD_DIM },
  ...{ n_group: 1, topk_group: 1 },
  ...shared,
};

/** Everything that the tokens used, one by one: parameters, and two operations for each entry of a matrix. */
function countedByHand(
  { parameters }: Decoder,
  batches: readonly RoutedBatch[],
): { readonly activeParameters: number; readonly flopsPerToken: number; readonly empty: number } {
  const sizes = Array.from(parameters, ([name, { shape }]) => ({ name, shape, size: sizeOf(shape) }));
  // Stacked tensors of experts have a row for each.
  const isOwn = (shape: readonly number[]): boolean => shape.length === 3;
  const shared = sizes.filter(({ shape }) => !isOwn(shape));
  const everyToken = {
    parameters: shared.reduce((sum, { size }) => sum + size, 0),
    flops: shared.reduce(
      (sum, { name, shape, size }) => sum + (shape.length === 2 && name !== 'model.embed_tokens.weight' ? 2 * size : 0),
      0,
    ),
  };
  const layerNames = [...new Set(sizes.flatMap(({ name }) => /layers\.\d+\./.exec(name)?.[0] ?? []))];
  const ofExpert = layerNames
    .map((layer) =>
      sizes
        .filter(({ name, shape }) => isOwn(shape) && name.includes(layer))
        .reduce((sum, { size }) => sum + size / EXPERTS, 0),
    )
    .filter((size) => size > 0);
  let [count, used, flops, slots, empty] = [0, 0, 0, 0, 0];
  for (const { tokenIds, layers } of batches) {
    for (let token = 0; token < tokenIds.length; token++) {
      count++;
      used += everyToken.parameters;
      // It attends to itself and to all before it.
      flops += everyToken.flops + LAYERS * HEADS * ((token % SEQUENCE) + 1) * 2 * 2 * HEAD_DIM;
      for (const [layer, { experts }] of layers.entries()) {
        const own = experts.length / tokenIds.length;
        for (const expert of experts.subarray(token * own, (token + 1) * own)) {
          slots++;
          if (expert === EXPERTS) empty++;
          else [used, flops] = [used + ofExpert[layer]!, flops + 2 * ofExpert[layer]!];
        }
      }
    }
  }
  return { activeParameters: used / count, flopsPerToken: flops / count, empty: slots === 0 ? 0 : empty / slots };
}

it.each([
  ['top-k', qwen3, null],
  ['LPR', { ...qwen3, router_type: 'lpr', router_latent_dim: 4 }, null],
  ['latent experts', { ...qwen3, expert_latent_dim: 5 }, null],
  ['latent experts and null experts', { ...qwen3, expert_latent_dim: 5, router_type: 'adamoe' }, 'null'],
  ['no experts', { ...qwen3, router_type: 'dense' }, null],
  ['shared experts', deepSeek, null],
  ['shared experts and a capacity', { ...deepSeek, router_type: 'switch', num_experts_per_tok: 1 }, 'dropped'],
  ['a second choice that is full', { ...qwen3, router_type: 'gshard' }, 'dropped'],
  ['a layer without experts', { ...qwen3, router_type: 'adamoe', mlp_only_layers: [0] }, 'null'],
  ['gates that open as they like', { ...qwen3, router_type: 'remoe' }, 'inactive'],
  ['selectors', { ...qwen3, router_type: 'dselectK', router_options: { gamma: 1e-3 } }, 'inactive'],
  ['experts that choose', { ...qwen3, router_type: 'expertChoice' }, 'inactive'],
  ['all experts', { ...qwen3, router_type: 'denseMixture', num_experts_per_tok: EXPERTS }, null],
] as const)('what tokens use with %s is what each of them passes', async (_, keys, reason) => {
  const decoder = createDecoder(device, parseDecoderConfig(keys), { seed: 1 });
  const routed: RoutedBatch[] = [];
  const { usage } = await evaluate(decoder, evaluationBatches(tokens, 4, SEQUENCE, 200), {
    routed: { tokens: Number.POSITIVE_INFINITY, onBatch: (batch) => routed.push(batch) },
  });
  const { activeParameters, flopsPerToken, empty } = countedByHand(decoder, routed);
  expect(usage.activeParameters).toBeCloseTo(activeParameters, 6);
  expect(usage.flopsPerToken).toBeCloseTo(flopsPerToken, 6);
  expect(usage.emptySlots).toEqual({ dropped: 0, null: 0, inactive: 0, ...(reason && { [reason]: empty }) });
  if (reason !== null) expect(empty).toBeGreaterThan(0.01);
  decoder.dispose();
});
