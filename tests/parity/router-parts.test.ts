/**
 * The parts of LPR alone, on given vectors: measures, penalties, moving averages; and the sequence-wise balance loss of
 * DeepSeek-V3.
 */
import {
  assignedSums,
  createRouter,
  loadBalancingLosses,
  resolveRouter,
  assignmentOf,
  dotProduct,
  gaussianKernel,
  type Gaussians,
  gaussiansOf,
  hellinger,
  jsDivergence,
  klDivergence,
  klToStandardNormal,
  mahalanobis,
  meanCosine,
  moments,
  moveDecayedSums,
  movePrototypes,
  multiHeadDot,
  negativeMeanDistance,
  orthogonality,
  printedHellinger,
  squaredWasserstein,
  wasserstein,
} from '@lpr/moe';
import {
  assign,
  concatenate,
  createWasmDevice,
  ones,
  scatterAlongRows,
  scope,
  slice,
  softmax,
  state,
  type Tensor,
  tensor,
  topK,
} from '@lpr/tensor';
import { unitRows } from '@lpr/tensor/nn';
import { afterAll, expect, it } from 'vitest';
import { casesOf, Comparison, Fixture, missing } from './fixtures.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const only = (kind: string): Fixture | undefined => casesOf((own) => own === kind).map((info) => new Fixture(info))[0];
const given = (fixture: Fixture, name: string): Tensor =>
  tensor(device, fixture.values(`in.${name}`), fixture.get(`in.${name}`).shape);

it('measures and penalties are those of PyTorch', async ({ skip }) => {
  const fixture = only('measures');
  if (fixture === undefined) return skip(missing);
  const comparison = new Comparison(fixture);
  await scope(device, async () => {
    const [z, keys] = [given(fixture, 'z'), given(fixture, 'keys')];
    const tokens: Gaussians = { mean: z, logvar: given(fixture, 'logvar') };
    const prototypes: Gaussians = { mean: keys, logvar: given(fixture, 'keys_logvar') };
    const got: Record<string, Tensor> = {
      cosine: dotProduct(unitRows(z), unitRows(keys)),
      dot: dotProduct(z, keys),
      gaussian_kernel: gaussianKernel(z, keys, 1),
      'paper.gaussian_kernel_sigma2': gaussianKernel(z, keys, 2),
      mahalanobis: mahalanobis(z, keys, given(fixture, 'log_sigma')),
      'reference.kl': klDivergence(tokens, prototypes),
      'reference.js': jsDivergence(tokens, prototypes),
      'reference.hellinger': hellinger(tokens, prototypes),
      'reference.wasserstein': wasserstein(tokens, prototypes),
      'paper.kl': klDivergence(tokens, prototypes),
      'paper.js': jsDivergence(tokens, prototypes),
      'paper.hellinger': printedHellinger(tokens, prototypes),
      'paper.wasserstein': squaredWasserstein(tokens, prototypes),
      'diversity.orthogonal': orthogonality(unitRows(keys), { unit: true, reduce: 'mean' }),
      'diversity.cosine': meanCosine(unitRows(keys)),
      'diversity.euclidean': negativeMeanDistance(keys),
      'paper.diversity': orthogonality(keys, { unit: false, reduce: 'sum' }),
      standard_normal_kl: klToStandardNormal(z, tokens.logvar),
    };
    for (const heads of [1, 2, 3, 4, 6]) got[`paper.attention_${heads}heads`] = multiHeadDot(z, keys, heads);
    for (const [name, values] of Object.entries(got)) comparison.close(`out.${name}`, await values.data());
  });
  comparison.reportUncompared(null);
  expect(comparison.problems).toEqual([]);
});

it('moving averages of prototypes are those of PyTorch', async ({ skip }) => {
  const fixture = only('ema');
  if (fixture === undefined) return skip(missing);
  const { info } = fixture;
  const [decay, steps, k] = [info['decay'], info['steps'], info['top_k']].map(Number) as [number, number, number];
  const comparison = new Comparison(fixture);
  await scope(
    device,
    async () => {
      let hard = given(fixture, 'expert_keys');
      let soft = hard;
      const [experts = 0, width = 0] = hard.shape;
      const vector = { sums: given(fixture, 'ema_sums'), counts: given(fixture, 'ema_counts') };
      const gaussian = {
        sums: concatenate([given(fixture, 'ema_mu'), given(fixture, 'ema_var')], 1),
        counts: given(fixture, 'ema_counts_distribution'),
      };
      for (let step = 0; step < steps; step++) {
        const [z, scores] = [given(fixture, `z.${step}`), given(fixture, `scores.${step}`)];
        const { values, indices } = topK(scores, k);
        const routing = assignmentOf(values, indices, experts, 'zeroFilled');
        const chosen = scatterAlongRows(ones(device, indices.shape), indices, experts);
        hard = movePrototypes(hard, assignedSums(chosen, z), decay);
        soft = movePrototypes(soft, assignedSums(softmax(scores), z), decay);
        const keys = moveDecayedSums(vector, assignedSums(routing, z), decay);
        const seconds = moments({ mean: z, logvar: given(fixture, `logvar.${step}`) });
        const { mean, logvar } = gaussiansOf(moveDecayedSums(gaussian, assignedSums(routing, seconds), decay));
        const got: Record<string, Tensor> = {
          routing,
          'paper.expert_keys': hard,
          'paper_soft.expert_keys': soft,
          'vector.expert_keys': keys,
          'vector.ema_sums': vector.sums,
          'vector.ema_counts': vector.counts,
          'distribution.ema_mu': slice(gaussian.sums, 1, 0, width),
          'distribution.ema_var': slice(gaussian.sums, 1, width, 2 * width),
          'distribution.ema_counts': gaussian.counts,
          'distribution.expert_keys_mu': mean,
          'distribution.expert_keys_logvar': logvar,
        };
        for (const [name, tensors] of Object.entries(got))
          comparison.close(`out.${name}.${step}`, await tensors.data());
      }
    },
    { gradients: false },
  );
  comparison.reportUncompared(null);
  expect(comparison.problems).toEqual([]);
});

const deepSeek = casesOf((kind) => kind === 'model').filter(({ config }) => {
  return config['model_type'] === 'deepseek_v3' && config['router_type'] === 'vanilla';
});

it.for(deepSeek.map((info) => [info.case, info] as const))("routes as DeepSeek-V3's gate: %s", async ([, info]) => {
  const fixture = new Fixture(info);
  const comparison = new Comparison(fixture);
  const { config } = info;
  const options = resolveRouter('deepSeekV3', {
    groups: Number(config['n_group']),
    keptGroups: Number(config['topk_group']),
    renormalize: config['norm_topk_prob'] === true,
    weightScale: Number(config['routed_scaling_factor']),
  });
  const experts = Number(config['n_routed_experts']);
  const shape = { hidden: experts, experts, topK: Number(config['num_experts_per_tok']) };
  const [, sequence = 0] = fixture.get('in.input_ids').shape;
  const layers = fixture
    .names('out.layers.')
    .flatMap((name) => (name.endsWith('.logits') ? [name.split('.')[0]!] : []));
  await scope(device, async () => {
    // Tokens are the logits of the case, and the weight is the identity.
    const identity = Float32Array.from({ length: experts ** 2 }, (_, i) => Number(i % (experts + 1) === 0));
    const weight = tensor(device, identity, [experts, experts]);
    const routings = layers.map((layer) => {
      const bias = state(device, [experts]);
      assign(bias, fixture.values(`model.layers.${layer}.mlp.gate.e_score_correction_bias`));
      const { shape: rows } = fixture.get(`out.layers.${layer}.logits`);
      const x = tensor(device, fixture.values(`out.layers.${layer}.logits`), rows);
      const router = createRouter(
        options,
        shape,
        new Map([
          ['weight', weight],
          ['e_score_correction_bias', bias],
        ]),
      );
      const routing = router.route(x, { training: true, sequence });
      bias.dispose();
      return routing;
    });
    for (const [i, { experts: chosen, weights, scores }] of routings.entries()) {
      comparison.equal(`out.layers.${layers[i]}.selected`, await chosen.data());
      comparison.close(`out.layers.${layers[i]}.weights`, await weights.data());
      comparison.close(`out.layers.${layers[i]}.scores`, await scores.data());
    }
    comparison.close('out.loss.aux', await loadBalancingLosses(routings, 'pooled')[0]!.data());
    const sequenceLosses = await Promise.all(routings.map(({ losses }) => losses[0]!.value.item()));
    comparison.close('out.loss.aux_seq', [sequenceLosses.reduce((a, b) => a + b, 0)]);
  });
  expect(comparison.problems).toEqual([]);
});
