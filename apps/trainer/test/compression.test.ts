/** Smaller models out of trained ones: latent experts by singular values, fewer experts by clusters. */
import { createDecoder, type Decoder, type DecoderConfig, exportWeights, importWeights, type Weight } from '@lpr/model';
import { parseDecoderConfig } from '@lpr/model';
import { createWasmDevice, tensor } from '@lpr/tensor';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { clustersAfter, cosinesOf, mergesOf } from '../src/compression/clusters.ts';
import { toLatentExperts } from '../src/compression/latent-experts.ts';
import { pruneExperts } from '../src/compression/prune.ts';
import { sharedFactors, transposed } from '../src/compression/shared-factors.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const common = {
  vocab_size: 40,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  max_position_embeddings: 32,
  num_experts_per_tok: 2,
};
const mixtral = { ...common, model_type: 'mixtral', intermediate_size: 12, num_local_experts: 6 };
const deepseek = {
  ...common,
  model_type: 'deepseek_v3',
  ...{ q_lora_rank: null, kv_lora_rank: 8, qk_nope_head_dim: 4, qk_rope_head_dim: 4, v_head_dim: 4 },
  ...{ intermediate_size: 12, first_k_dense_replace: 1, moe_intermediate_size: 12, n_routed_experts: 6 },
  ...{ n_shared_experts: 1, n_group: 1, topk_group: 1 },
};

interface Model {
  readonly config: DecoderConfig;
  readonly weights: ReadonlyMap<string, Weight>;
}

async function modelOf(json: Readonly<Record<string, unknown>>): Promise<Model> {
  const config = parseDecoderConfig(json);
  const decoder = createDecoder(device, config, { seed: 3 });
  const weights = await exportWeights(decoder);
  decoder.dispose();
  // As large as after training, so that experts matter.
  const scale = (name: string): number => (name.includes('.experts.') ? 10 : 1);
  return {
    config,
    weights: new Map(
      [...weights].map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => scale(name) * x) }]),
    ),
  };
}

async function logitsOf({ config, weights }: Model): Promise<Float32Array> {
  const decoder: Decoder = createDecoder(device, config, { seed: 0 });
  importWeights(decoder, weights);
  const ids = Int32Array.from({ length: 20 }, (_, t) => (7 * t) % 40);
  const logits = decoder.logits(tensor(device, ids, [1, 20]));
  const values = await logits.dataF32();
  logits.dispose();
  decoder.dispose();
  return values;
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((largest, x, i) => Math.max(largest, Math.abs(x - b[i]!)), 0);

const matrix = (rows: number, columns: number, seed: number) => ({
  rows,
  columns,
  values: Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(1 + seed + 12.9 * i * i)),
});

/** `[rows, columns]` times `[columns, n]`. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, columns: number): number[] {
  const [rows, n] = [a.length / columns, b.length / columns];
  return Array.from({ length: rows * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = 0;
    for (let k = 0; k < columns; k++) sum += a[i * columns + k]! * b[k * n + j]!;
    return sum;
  });
}

describe('sharedFactors', () => {
  it('are the matrices where the rank allows it, and tell exactly how far off they are where not', () => {
    const matrices = [matrix(5, 6, 0), matrix(5, 6, 100), matrix(5, 6, 200)];
    for (const rank of [1, 3, 6]) {
      const { shared, own, error } = sharedFactors(matrices, rank);
      const squares = (values: readonly number[]): number => values.reduce((sum, x) => sum + x * x, 0);
      const off = matrices.map(({ values }, e) => product(own[e]!, shared, rank).map((x, i) => x - values[i]!));
      const total = squares(matrices.flatMap(({ values }) => Array.from(values)));
      expect(error).toBeCloseTo(Math.sqrt(squares(off.flat()) / total), 6);
      if (rank === 6) expect(error).toBeLessThan(1e-6);
      else expect(error).toBeGreaterThan(0.1);
    }
    const low = [7, 8].map((seed) => {
      const values = product(matrix(5, 2, seed).values, matrix(2, 6, 1).values, 2);
      return { rows: 5, columns: 6, values };
    });
    expect(sharedFactors(low, 2).error).toBeLessThan(1e-6);
    expect(() => sharedFactors(matrices, 7)).toThrow('rank must be a whole number from 1 to 6, got 7');
    expect(Array.from(transposed({ rows: 2, columns: 3, values: [1, 2, 3, 4, 5, 6] }).values)).toEqual([
      1, 4, 2, 5, 3, 6,
    ]);
  });
});

describe('toLatentExperts', () => {
  it.each([mixtral, deepseek])('gives the same model at full width: $model_type', async (json) => {
    const model = await modelOf(json);
    const latent = toLatentExperts(model.config, model.weights, 16);
    expect(latent.layers.map(({ layer }) => layer)).toEqual(json === mixtral ? [0, 1] : [1]);
    for (const { gate, up, down } of latent.layers) expect(Math.max(gate, up, down)).toBeLessThan(1e-6);
    expect(largestDifference(await logitsOf(latent), await logitsOf(model))).toBeLessThan(1e-4);
  });

  it('loses more the narrower it is, and finds the experts of a latent model again', async () => {
    const model = await modelOf(mixtral);
    const errors = [12, 8, 4].map((width) => toLatentExperts(model.config, model.weights, width).layers[1]!);
    for (const name of ['gate', 'up', 'down'] as const) {
      expect(errors[0]![name]).toBeGreaterThan(0.1);
      expect(errors[1]![name]).toBeGreaterThan(errors[0]![name]);
      expect(errors[2]![name]).toBeGreaterThan(errors[1]![name]);
    }
    const latent = toLatentExperts(model.config, model.weights, 4);
    // Back to whole matrices, which a width of 4 then loses nothing of.
    const whole = new Map(model.weights);
    for (const [name, { shape }] of model.weights) {
      const [, block, matrixName] = /^(.*\.experts\.)\d+\.(w\d)\.weight$/.exec(name) ?? [];
      if (block === undefined) continue;
      const own = latent.weights.get(name)!.data;
      const shared = (kind: string): ArrayLike<number> =>
        latent.weights.get(`${block}latent_${kind}_proj.weight`)!.data;
      const values =
        matrixName === 'w2'
          ? product(shared('down'), own, 4)
          : product(own, shared(matrixName === 'w1' ? 'gate' : 'up'), 4);
      whole.set(name, { shape, data: Float32Array.from(values) });
    }
    const again = toLatentExperts(model.config, whole, 4);
    for (const { gate, up, down } of again.layers) expect(Math.max(gate, up, down)).toBeLessThan(1e-5);
    expect(largestDifference(await logitsOf(again), await logitsOf({ ...model, weights: whole }))).toBeLessThan(1e-4);
  });

  it('says what cannot be converted', async () => {
    const model = await modelOf(mixtral);
    expect(() => toLatentExperts(model.config, model.weights, 17)).toThrow(
      '--latent-experts 17: wider than the tokens (16)',
    );
    const latent = toLatentExperts(model.config, model.weights, 4);
    expect(() => toLatentExperts(latent.config, latent.weights, 4)).toThrow('latent experts already, of width 4');
    const dense = await modelOf({ ...mixtral, router_type: 'dense' });
    expect(() => toLatentExperts(dense.config, dense.weights, 4)).toThrow('the model has no experts');
  });
});

describe('mergesOf', () => {
  it('joins the pair of clusters with the largest mean similarity, time and again', () => {
    const size = 7;
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 49, maxLength: 49 }), (drawn) => {
        const values = drawn.map((_, at) => drawn[Math.max(at, (at % size) * size + Math.floor(at / size))]!);
        const merges = mergesOf({ rows: size, columns: size, values });
        expect(merges).toHaveLength(size - 1);
        merges.forEach(({ similarity }, done) => {
          const clusters = clustersAfter(merges, size, size - done);
          const means = clusters.flatMap((a, i) =>
            clusters.slice(i + 1).map((b) => {
              const pairs = a.flatMap((x) => b.map((y) => values[x * size + y]!));
              return pairs.reduce((sum, x) => sum + x, 0) / pairs.length;
            }),
          );
          expect(similarity).toBeCloseTo(Math.max(...means), 9);
        });
        expect(clustersAfter(merges, size, 1)).toEqual([[0, 1, 2, 3, 4, 5, 6]]);
      }),
      { numRuns: 30 },
    );
    const cosines = cosinesOf([
      [1, 0],
      [1, 1],
      [0, 0],
    ]).values;
    expect(cosines[1]).toBeCloseTo(Math.SQRT1_2, 12);
    expect(cosines[2]).toBe(0);
    expect(cosines[4]).toBeCloseTo(1, 12);
  });
});

describe('pruneExperts', () => {
  const names = (layer: number, expert: number): string[] =>
    ['w1', 'w2', 'w3'].map((name) => `model.layers.${layer}.block_sparse_moe.experts.${expert}.${name}.weight`);
  /** Expert `to` of each layer becomes nearly a copy of `from`. */
  const alike = (weights: Map<string, Weight>, layer: number, from: number, to: number): void => {
    names(layer, to).forEach((name, i) => {
      const { shape, data } = weights.get(names(layer, from)[i]!)!;
      weights.set(name, { shape, data: data.map((x, at) => x + 1e-3 * Math.sin(at)) });
    });
  };

  it('keeps the most important of experts that are alike, with its row of the router', async () => {
    const { config, weights } = await modelOf(mixtral);
    const planted = new Map(weights);
    alike(planted, 0, 0, 4);
    alike(planted, 0, 2, 5);
    alike(planted, 1, 1, 3);
    alike(planted, 1, 1, 0);
    const importance = [
      [0.1, 0.2, 0.2, 0.1, 0.3, 0.1],
      [0.1, 0.1, 0.1, 0.3, 0.2, 0.2],
    ];
    const pruned = pruneExperts(config, planted, importance, { keep: 4, redundant: 1 });
    expect(pruned.layers.map(({ kept }) => kept)).toEqual([
      [1, 2, 3, 4],
      [2, 3, 4, 5],
    ]);
    expect(pruned.layers.map(({ clusters }) => clusters)).toEqual([
      [[1], [2, 5], [3], [0, 4]],
      [[2], [0, 1, 3], [4], [5]],
    ]);
    expect(pruned.layers.map(({ clustersAtCommonCut }) => clustersAtCommonCut)).toEqual([4, 4]);
    expect(pruned.config).toMatchObject({ num_local_experts: 4, num_experts_per_tok: 2 });
    const router = 'model.layers.1.block_sparse_moe.gate.weight';
    [2, 3, 4, 5].forEach((before, now) => {
      const [row, old] = [pruned.weights.get(router)!, planted.get(router)!].map(({ data }, i) =>
        data.slice(16 * [now, before][i]!, 16 * ([now, before][i]! + 1)),
      );
      expect(row).toEqual(old);
      names(1, before).forEach((name, i) => expect(pruned.weights.get(names(1, now)[i]!)).toEqual(planted.get(name)));
    });
    expect((await logitsOf(pruned)).every(Number.isFinite)).toBe(true);
  });

  it('cuts all layers at one similarity, then drops what is least important, or divides what is left', async () => {
    const { config, weights } = await modelOf(mixtral);
    const planted = new Map(weights);
    for (const to of [1, 2, 3]) alike(planted, 0, 0, to);
    const flat = [0.1, 0.3, 0.1, 0.1, 0.2, 0.2];
    const rising = [0.05, 0.1, 0.15, 0.2, 0.25, 0.25];
    // Three of four merges go to the first layer, where the experts are alike.
    const { layers } = pruneExperts(config, planted, [flat, rising], { keep: 4, redundant: 1 });
    expect(layers.map(({ clustersAtCommonCut }) => clustersAtCommonCut)).toEqual([3, 5]);
    expect(layers[0]!.kept).toHaveLength(4);
    expect(layers[0]!.kept).toEqual(expect.arrayContaining([1, 4, 5]));
    expect(layers[0]!.similarity).toBeGreaterThan(layers[1]!.similarity + 0.2);
    // Of five clusters the least important goes.
    const total = (cluster: readonly number[]): number => cluster.reduce((sum, e) => sum + rising[e]!, 0);
    const gone = [0, 1, 2, 3, 4, 5].filter((e) => !layers[1]!.clusters.flat().includes(e));
    expect(gone.length).toBeGreaterThan(0);
    expect(total(gone)).toBeLessThan(Math.min(...layers[1]!.clusters.map(total)));
    // By importance alone.
    const { layers: important } = pruneExperts(config, planted, [flat, rising], { keep: 4, redundant: 0 });
    expect(important[1]!.kept).toEqual([2, 3, 4, 5]);
    expect(important[1]!.clusters).toEqual([[2], [3], [4], [5]]);
  });

  it('leaves the model as it was where the experts that go were never chosen', async () => {
    const model = await modelOf(deepseek);
    const bias = 'model.layers.1.mlp.gate.e_score_correction_bias';
    const weights = new Map(model.weights);
    weights.set(bias, { shape: [6], data: Float32Array.from([0, -1e3, 0, 0, -1e3, 0]) });
    const pruned = pruneExperts(model.config, weights, [[0.25, 0, 0.25, 0.25, 0, 0.25]], { keep: 4, redundant: 0 });
    expect(pruned.layers[0]!.kept).toEqual([0, 2, 3, 5]);
    expect(largestDifference(await logitsOf(pruned), await logitsOf({ ...model, weights }))).toBeLessThan(1e-6);
  });

  it('keeps equally many of each group, and of latent experts what they share', async () => {
    const grouped = await modelOf({ ...deepseek, n_group: 3, topk_group: 2, expert_latent_dim: 5 });
    const pruned = pruneExperts(grouped.config, grouped.weights, [[0.1, 0.2, 0.3, 0.1, 0.1, 0.2]], { keep: 3 });
    expect(pruned.layers[0]!.kept).toEqual([1, 2, 5]);
    expect((await logitsOf(pruned)).every(Number.isFinite)).toBe(true);
    const even = [[1, 1, 1, 1, 1, 1].map((x) => x / 6)];
    expect(() => pruneExperts(grouped.config, grouped.weights, even, { keep: 4 })).toThrow('give a multiple of 3');
  });

  it('says how many can be kept, and of which routers none can go', async () => {
    const { config, weights } = await modelOf(mixtral);
    const even = [0, 1].map(() => [1, 1, 1, 1, 1, 1]);
    for (const keep of [1, 6]) {
      expect(() => pruneExperts(config, weights, even, { keep })).toThrow(
        `--keep ${keep}: give at least 2 (experts a token) and fewer than 6`,
      );
    }
    const hash = await modelOf({ ...mixtral, router_type: 'hash' });
    expect(() => pruneExperts(hash.config, hash.weights, even, { keep: 4 })).toThrow(
      'the router hash has no row for each expert',
    );
    const all = await modelOf({ ...mixtral, router_type: 'denseMixture', num_experts_per_tok: 6 });
    expect(pruneExperts(all.config, all.weights, even, { keep: 4 }).config).toMatchObject({ num_experts_per_tok: 4 });
  });
});
