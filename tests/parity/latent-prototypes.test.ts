/** LPR: a gate alone, its measures and penalties on given vectors, and its moving averages. */
import {
  assignedSums,
  assignmentOf,
  createRouter,
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
  statisticsOf,
  wasserstein,
} from '@lpr/moe';
import { routerOf } from '@lpr/model';
import {
  add,
  assign,
  backward,
  concatenate,
  createWasmDevice,
  multiply,
  ones,
  parameter,
  scatterAlongRows,
  scope,
  slice,
  softmax,
  state,
  sum,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { unitRows } from '@lpr/tensor/nn';
import { afterAll, expect, it } from 'vitest';
import { informativePenalty, regularizerOutputs, regularizerScales, routingOutputs } from './decoders.ts';
import { casesOf, Comparison } from './fixtures.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

it.for(casesOf('router'))('%s', async ([, fixture]) => {
  const { info } = fixture;
  const { config } = info;
  const tensors = new Map<string, Tensor>();
  for (const [name, { shape, data }] of fixture.weights()) {
    // No gradient reaches moving averages and biases.
    const buffer = name.startsWith('ema_') || name === 'selection_bias';
    const target = buffer ? state(device, shape) : parameter(device, data as Float32Array, shape);
    assign(target, data as Float32Array);
    tensors.set(name, target);
  }
  const options = routerOf(config as unknown as Parameters<typeof routerOf>[0], () => {
    throw new Error(`${info.case}: its router is not LPR`);
  });
  const shape = {
    hidden: Number(config['hidden_size']),
    experts: Number(config['num_experts']),
    topK: Number(config['num_experts_per_tok']),
  };
  const router = createRouter(options, shape, tensors);
  const scales = regularizerScales(info);
  const comparison = new Comparison(fixture);

  await scope(device, async () => {
    const given = (name: string): Tensor => fixture.tensor(device, `in.${name}`);
    const x = parameter(given('x'));
    const routing = router.route(x, { training: true, noise: given('eps') });
    let objective = sum(multiply(given('ct_weights'), routing.weights));
    const decoded = routing.details!['z_decoded'];
    if (decoded !== undefined) objective = add(objective, sum(multiply(given('ct_z_decoded'), decoded)));
    for (const { value, weight } of routing.losses) {
      objective = add(objective, multiply(value, weight / scales.strength));
    }
    comparison.equal('out.selected', await routing.experts.data());
    comparison.close('out.objective', [await objective.item()]);
    const outputs = routingOutputs(routing);
    const scalars = await regularizerOutputs(routing.losses, scales);
    for (const name of fixture.names('out.')) {
      if (outputs.has(name)) comparison.close(`out.${name}`, await outputs.get(name)!.data());
      else if (scalars.has(name)) comparison.close(`out.${name}`, [scalars.get(name)!]);
    }
    backward(objective);
    for (const name of fixture.names('grad.')) {
      const { grad } = name === 'in.x' ? x : tensors.get(name)!;
      comparison.close(`grad.${name}`, await grad!.data());
    }
    router.afterStep(statisticsOf(routing));
    for (const name of fixture.names('out.after.')) {
      comparison.close(`out.after.${name}`, await tensors.get(name)!.data());
    }
    x.dispose();
  });
  comparison.reportUncompared(informativePenalty(info));
  expect(comparison.problems).toEqual([]);
  tensors.forEach((owner) => owner.dispose());
  expect(device.memory.liveBuffers).toBe(0);
});

it.for(casesOf('measures'))('%s', async ([, fixture]) => {
  const comparison = new Comparison(fixture);
  await scope(device, async () => {
    const [z, keys] = [fixture.tensor(device, 'in.z'), fixture.tensor(device, 'in.keys')];
    const tokens: Gaussians = { mean: z, logvar: fixture.tensor(device, 'in.logvar') };
    const prototypes: Gaussians = { mean: keys, logvar: fixture.tensor(device, 'in.keys_logvar') };
    const got: Record<string, Tensor> = {
      cosine: dotProduct(unitRows(z), unitRows(keys)),
      dot: dotProduct(z, keys),
      gaussian_kernel: gaussianKernel(z, keys, 1),
      'paper.gaussian_kernel_sigma2': gaussianKernel(z, keys, 2),
      mahalanobis: mahalanobis(z, keys, fixture.tensor(device, 'in.log_sigma')),
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
  comparison.reportUncompared();
  expect(comparison.problems).toEqual([]);
});

it.for(casesOf('ema'))('%s', async ([, fixture]) => {
  const { info } = fixture;
  const [decay, steps, k] = [info['decay'], info['steps'], info['top_k']].map(Number) as [number, number, number];
  const comparison = new Comparison(fixture);
  const given = (name: string): Tensor => fixture.tensor(device, `in.${name}`);
  await scope(
    device,
    async () => {
      let hard = given('expert_keys');
      let soft = hard;
      const [experts = 0, width = 0] = hard.shape;
      const vector = { sums: given('ema_sums'), counts: given('ema_counts') };
      const gaussian = {
        sums: concatenate([given('ema_mu'), given('ema_var')], 1),
        counts: given('ema_counts_distribution'),
      };
      for (let step = 0; step < steps; step++) {
        const [z, scores] = [given(`z.${step}`), given(`scores.${step}`)];
        const { values, indices } = topK(scores, k);
        const routing = assignmentOf(values, indices, experts, 'zeroFilled');
        const chosen = scatterAlongRows(ones(device, indices.shape), indices, experts);
        hard = movePrototypes(hard, assignedSums(chosen, z), decay);
        soft = movePrototypes(soft, assignedSums(softmax(scores), z), decay);
        const { means: keys } = moveDecayedSums(vector, assignedSums(routing, z), decay);
        const seconds = moments({ mean: z, logvar: given(`logvar.${step}`) });
        const { means } = moveDecayedSums(gaussian, assignedSums(routing, seconds), decay);
        const { mean, logvar } = gaussiansOf(means);
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
  comparison.reportUncompared();
  expect(comparison.problems).toEqual([]);
});
