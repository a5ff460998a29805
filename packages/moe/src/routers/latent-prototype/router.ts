/**
 * Latent Prototype Routing (Yang, arXiv 2506.21328). A small variational encoder maps tokens to a latent space
 * (equations 10-12); each expert owns a prototype there; a token goes to the k experts whose prototypes are most
 * similar to its latent, weighted by the softmax over their k scores. Regularisers spread the latents and prototypes
 * out, so that load spreads as well. `options` says which formulation: see options.ts.
 *
 * Beyond the paper, the mean of a latent may be the encoder's plus a row of a learned table by token id (`vocabulary`):
 * what the encoder makes of a token moves with the model, above all at first, and its id does not. A second table is by
 * the id of the token before (`precedingLatents`).
 *
 * Causal. Training and evaluation route alike where scores come from mu (`corrected`, `official`) or from whole
 * Gaussians. Scores from z (`paper`) route by samples in training and by their means in evaluation: noise then spreads
 * the load in training, and evaluation does not have it.
 */
import {
  add,
  affine,
  assign,
  concatenate,
  embedding,
  exp,
  layerNorm,
  linear,
  matmul,
  multiply,
  silu,
  slice,
  softmax,
  takeAlongRows,
  type Tensor,
  topK,
} from '@lpr/tensor';
import { constantSpec, type ParameterSpec, unitRows, weightSpec, withoutGradients } from '@lpr/tensor/nn';
import { fullChoices } from '../../choices.ts';
import type { RouterCore, RouterMethod } from '../../method.ts';
import { drawNoise, precedingIdsOf, type RouteContext, type RouterShape, tokenIdsOf } from '../../router.ts';
import { checkGroups, limitToBestGroups, updateSelectionBias } from '../../selection.ts';
import { gaussiansOf, moveAssigned, moveDecayedSums, movePrototypes } from './ema.ts';
import { AVERAGED, objectiveOf } from './objective.ts';
import { type LatentPrototypeOptions, latentPrototypePresets, latentPrototypeRules } from './options.ts';
import { comparesDistributions, keysName, measureParameters, Rows, scoresOf } from './similarity.ts';

type Options = LatentPrototypeOptions & { readonly kind: 'latentPrototype' };
type Core = RouterCore<Options>;

/** Names as the released code has them below the gate; latents of ids and `selection_bias` are ours. */
function parameters(options: Options, shape: RouterShape): ParameterSpec[] {
  const { hidden, experts } = shape;
  const { latentDim, vocabulary, precedingLatents } = options;
  const specs: ParameterSpec[] = [
    constantSpec('norm.weight', [hidden], 1),
    constantSpec('norm.bias', [hidden], 0),
    weightSpec('encoder.weight', [2 * latentDim, hidden]),
    constantSpec('encoder.bias', [2 * latentDim], 0),
    ...measureParameters(options, shape),
  ];
  const table = (name: string, rows: number, std: number): void => {
    specs.push({ name, shape: [rows, latentDim], initial: { kind: 'normal', std }, trained: true });
  };
  // N(0, I), beside which what the encoder makes of a token is small at first.
  if (vocabulary > 0) table('token_latents', vocabulary, 1);
  // Half as long: the token itself counts for more. The last row is for a token with none before.
  if (precedingLatents) table('preceding_latents', vocabulary + 1, 0.5);
  const gaussian = comparesDistributions(options);
  if (options.outProjection) {
    // The released code mixes the means of Gaussian prototypes after a projection of their own.
    if (gaussian)
      specs.push(weightSpec('proj.weight', [latentDim, latentDim]), constantSpec('proj.bias', [latentDim], 0));
    specs.push(weightSpec('out_proj.weight', [hidden, latentDim]), constantSpec('out_proj.bias', [hidden], 0));
  }
  specs.push(...bufferSpecs(options, experts));
  return specs;
}

/** Untrained state, a row an expert. */
function bufferSpecs(options: Options, experts: number): ParameterSpec[] {
  const { latentDim } = options;
  const gaussian = comparesDistributions(options);
  const movesSums = options.ema === 'official';
  const specs: ParameterSpec[] = [];
  const buffer = (name: string, extents: number[], initial: ParameterSpec['initial']): void => {
    specs.push({ name, shape: extents, initial, trained: false });
  };
  const zero = { kind: 'constant', value: 0 } as const;
  const copy = { kind: 'copy', of: keysName(options) } as const;
  if (options.emaBuffers || (movesSums && !gaussian)) buffer('ema_sums', [experts, latentDim], copy);
  if (movesSums && gaussian) {
    buffer('ema_mu', [experts, latentDim], copy);
    buffer('ema_var', [experts, latentDim], { kind: 'constant', value: 1 });
  }
  if (options.emaBuffers || movesSums) buffer('ema_counts', [experts], zero);
  if (options.selectionBiasRate > 0) buffer('selection_bias', [experts], zero);
  return specs;
}

interface Encoded {
  readonly mu: Tensor;
  readonly logvar: Tensor;
  /** The sample; mu itself in evaluation and where nothing reads a sample. */
  readonly z: Tensor;
}

function encode({ options, tensor }: Core, x: Tensor, context: RouteContext): Encoded {
  const { latentDim, scoreFrom, alignment } = options;
  const normed = layerNorm(x, tensor('norm.weight'), tensor('norm.bias'));
  const both = linear(silu(normed), tensor('encoder.weight'), tensor('encoder.bias'));
  const seen = slice(both, 1, 0, latentDim);
  const mu = latentsByIds({ options, tensor }, x, context).reduce((sum, latents) => add(sum, latents), seen);
  const logvar = slice(both, 1, latentDim, 2 * latentDim);
  const samples = context.training && (scoreFrom === 'z' || alignment !== 'assignedMean');
  if (!samples) return { mu, logvar, z: mu };
  const noise = drawNoise('latentPrototype', 'normal', mu, mu.shape, context);
  return { mu, logvar, z: add(mu, multiply(noise, exp(affine(logvar, 0.5)))) };
}

/** What the tables by token id add to the means. */
function latentsByIds(
  { options: { vocabulary, precedingLatents }, tensor }: Pick<Core, 'options' | 'tensor'>,
  x: Tensor,
  context: RouteContext,
): Tensor[] {
  if (vocabulary === 0) return [];
  const own = embedding(tensor('token_latents'), tokenIdsOf('latentPrototype', x, context));
  if (!precedingLatents) return [own];
  const before = precedingIdsOf('latentPrototype', x, context, vocabulary);
  return [own, embedding(tensor('preceding_latents'), before)];
}

interface Selected {
  /** i32 `[tokens, k]`. */
  readonly experts: Tensor;
  /** f32 `[tokens, k]`, without the bias. */
  readonly chosenScores: Tensor;
  /** What was selected by, where groups limit it; otherwise it is scores plus bias. */
  readonly selection: Tensor | null;
}

/** The k best experts of each token, by score plus bias within the best groups. */
function select({ options, topK: k, tensor }: Core, scores: Tensor): Selected {
  const biased = options.selectionBiasRate > 0;
  if (!biased && options.keptGroups === options.groups) {
    const { values, indices } = topK(scores, k);
    return { experts: indices, chosenScores: values, selection: null };
  }
  const limited = options.keptGroups < options.groups;
  const { experts, selection } = withoutGradients(scores.device, () => {
    const merit = limitToBestGroups(biased ? add(scores, tensor('selection_bias')) : scores, options);
    return { experts: topK(merit, k).indices, selection: limited ? merit : null };
  });
  return { experts, chosenScores: takeAlongRows(scores, experts), selection };
}

export const latentPrototype: RouterMethod<Options> = {
  defaults: { kind: 'latentPrototype', ...latentPrototypePresets.corrected },
  rules: latentPrototypeRules,
  traits: (options) => ({
    reads: options.precedingLatents
      ? { training: 'tokenBefore', evaluation: 'tokenBefore' }
      : { training: 'token', evaluation: 'token' },
    alike: options.scoreFrom === 'mu' || comparesDistributions(options),
    fillsSlots: true,
    weightSum: options.weightScale,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: options.diversityTarget !== 'keys' || options.alignment !== 'paper',
    expertTensors: [
      keysName(options),
      ...(comparesDistributions(options) ? ['expert_keys_logvar'] : []),
      ...bufferSpecs(options, 0).map(({ name }) => name),
    ],
    ...(options.selectionBiasRate > 0 ? { selectionBias: { buffer: 'selection_bias', sign: 1 } } : {}),
  }),
  parameters,
  check(options, { experts, topK: k }) {
    checkGroups('latentPrototype', options, experts, k);
    if (options.precedingLatents && options.vocabulary === 0) {
      throw new RangeError(
        'latentPrototype router: precedingLatents needs vocabulary, the number of token ids; got 0. Set it, or take the formulation "tokens"',
      );
    }
    if (options.latentDim % options.attentionHeads !== 0) {
      throw new RangeError(
        `latentPrototype router: attentionHeads must divide latentDim (${options.latentDim}), got ${options.attentionHeads}`,
      );
    }
  },

  route(core, x, context) {
    const { options, experts: count, tensor } = core;
    const keys = new Rows(tensor(keysName(options)));
    const encoded = encode(core, x, context);
    const { mu, logvar, z } = encoded;
    const gaussian = comparesDistributions(options);
    const latents = new Rows(options.scoreFrom === 'z' ? z : mu);

    const scores = scoresOf(options, tensor, { latents, keys, gaussians: { mean: mu, logvar } });
    const { experts, chosenScores, selection } = select(core, scores);
    const choices = fullChoices(experts, count);
    const details: Record<string, Tensor> = { ...encoded };
    if (selection !== null) details['selection'] = selection;

    let aggregate: Tensor | null = null;
    let projected: Tensor | null = null;
    if (options.outProjection || (context.training && options.alignment === 'paper')) {
      const means =
        options.outProjection && gaussian ? linear(keys.raw, tensor('proj.weight'), tensor('proj.bias')) : keys.raw;
      aggregate = details['aggregate'] = matmul(softmax(scores), means);
    }
    if (options.outProjection) {
      projected = details['z_decoded'] = linear(aggregate!, tensor('out_proj.weight'), tensor('out_proj.bias'));
    }

    const routed = { ...encoded, keys, latents, scores, chosenScores, choices, aggregate };
    const objective = context.training ? objectiveOf(options, routed, context.part) : null;
    const weights = softmax(chosenScores);
    return {
      ...choices,
      weights: options.weightScale === 1 ? weights : affine(weights, options.weightScale),
      scores,
      losses: [],
      ...objective,
      details: { ...details, ...objective?.details },
      ...(projected === null ? {} : { expertInput: add(x, projected) }),
    };
  },

  /** Selection bias, moving averages, then the unit sphere. */
  afterStep({ options, tensor }, { sums }) {
    if (options.selectionBiasRate > 0) {
      updateSelectionBias(tensor('selection_bias'), sums['counts']!, options.selectionBiasRate);
    }
    const keys = tensor(keysName(options));
    withoutGradients(keys.device, () => {
      if (options.ema !== 'off') moveByAverages(options, tensor, sums[AVERAGED]!);
      if (options.unitBallConstraint) assign(keys, unitRows(keys));
    });
  },
};

/** `averaged` `[M, 1 + width]`: sums over the step. */
function moveByAverages(options: Options, tensor: Core['tensor'], averaged: Tensor): void {
  const keys = tensor(keysName(options));
  if (options.ema !== 'official') {
    assign(keys, movePrototypes(keys, averaged, options.emaDecay));
  } else if (!comparesDistributions(options)) {
    const state = { sums: tensor('ema_sums'), counts: tensor('ema_counts') };
    const { means, assigned } = moveDecayedSums(state, averaged, options.emaDecay);
    moveAssigned(keys, means, assigned);
  } else {
    const [first, second] = [tensor('ema_mu'), tensor('ema_var')];
    const state = { sums: concatenate([first, second], 1), counts: tensor('ema_counts') };
    const { means, assigned } = moveDecayedSums(state, averaged, options.emaDecay);
    const { mean, logvar } = gaussiansOf(means);
    assign(first, slice(state.sums, 1, 0, options.latentDim));
    assign(second, slice(state.sums, 1, options.latentDim, 2 * options.latentDim));
    moveAssigned(keys, mean, assigned);
    moveAssigned(tensor('expert_keys_logvar'), logvar, assigned);
  }
}
