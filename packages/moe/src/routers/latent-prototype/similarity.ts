/** From the settings to a measure: which tensors it needs, and the scores of encoded tokens against the prototypes. */
import { affine, type Tensor } from '@lpr/tensor';
import { constantSpec, type Initial, type ParameterSpec, unitRows, weightSpec } from '@lpr/tensor/nn';
import type { RouterShape } from '../../router.ts';
import {
  dotProduct,
  gaussianKernel,
  type Gaussians,
  hellinger,
  jsDivergence,
  klDivergence,
  mahalanobis,
  multiHeadDot,
  printedHellinger,
  projectForAttention,
  squaredWasserstein,
  wasserstein,
} from './measures.ts';
import type { DistributionMeasure, LatentPrototypeOptions } from './options.ts';

const distances: {
  readonly [Name in DistributionMeasure]: (
    options: LatentPrototypeOptions,
  ) => (tokens: Gaussians, prototypes: Gaussians) => Tensor;
} = {
  wasserstein: ({ squaredWasserstein: squared }) => (squared ? squaredWasserstein : wasserstein),
  kl: () => klDivergence,
  js: () => jsDivergence,
  hellinger: ({ printedHellinger: printed }) => (printed ? printedHellinger : hellinger),
};

/** Whether prototypes are Gaussians: they then have a log-variance too. */
export function comparesDistributions(options: LatentPrototypeOptions): boolean {
  return options.measure in distances;
}

/** Name of the prototypes, or of their means. */
export function keysName(options: LatentPrototypeOptions): 'expert_keys' | 'expert_keys_mu' {
  return comparesDistributions(options) ? 'expert_keys_mu' : 'expert_keys';
}

function startOfPrototypes({ prototypeStart, latentDim }: LatentPrototypeOptions, experts: number): Initial {
  if (prototypeStart === 'sphere') return { kind: 'unitRows' };
  if (prototypeStart === 'normal') return { kind: 'normal', std: 1 };
  // More rows than columns: it is the columns that are orthogonal, and their squares are shared out among the rows.
  return { kind: 'orthogonal', length: Math.sqrt(Math.max(1, experts / latentDim)) };
}

/** The prototypes and what the measure learns, named as in the released code. */
export function measureParameters(options: LatentPrototypeOptions, { experts }: RouterShape): ParameterSpec[] {
  const { latentDim, measure, attentionProjections } = options;
  const keys: ParameterSpec = {
    ...weightSpec(keysName(options), [experts, latentDim]),
    initial: startOfPrototypes(options, experts),
  };
  if (comparesDistributions(options)) return [keys, constantSpec('expert_keys_logvar', [experts, latentDim], 0)];
  if (measure === 'mahalanobis') return [keys, constantSpec('similarity_func.log_sigma', [latentDim], 0)];
  if (measure !== 'attention' || !attentionProjections) return [keys];
  const side = (name: 'q' | 'k'): ParameterSpec[] => [
    {
      ...weightSpec(`similarity_func.${name}_proj.weight`, [latentDim, latentDim]),
      initial: { kind: 'normal', std: latentDim ** -0.5 },
    },
    constantSpec(`similarity_func.${name}_proj.bias`, [latentDim], 0),
    constantSpec(`similarity_func.${name}_norm.weight`, [latentDim], 1),
  ];
  return [keys, ...side('q'), ...side('k')];
}

/**
 * Rows that several parts of the router read, also divided by their norm; that is computed once, when first asked for.
 */
export class Rows {
  readonly raw: Tensor;
  #unit: Tensor | null = null;

  constructor(raw: Tensor) {
    this.raw = raw;
  }

  get unit(): Tensor {
    return (this.#unit ??= unitRows(this.raw));
  }
}

export interface Compared {
  /** What vector measures compare with the prototypes. */
  readonly latents: Rows;
  readonly keys: Rows;
  /** The token's Gaussian, which distribution measures compare. */
  readonly gaussians: Gaussians;
}

/** `[tokens, M]`, times the temperature. */
export function scoresOf(
  options: LatentPrototypeOptions,
  tensor: (name: string) => Tensor,
  { latents, keys, gaussians }: Compared,
): Tensor {
  const { measure, temperature } = options;
  const scaled = (x: Tensor): Tensor => (temperature === 1 ? x : affine(x, temperature));
  switch (measure) {
    case 'cosine':
      // The small side is scaled.
      return dotProduct(latents.unit, scaled(keys.unit));
    case 'dotProduct':
      return dotProduct(latents.raw, scaled(keys.raw));
    case 'gaussianKernel':
      return scaled(gaussianKernel(latents.raw, keys.raw, options.kernelWidth));
    case 'mahalanobis':
      return scaled(mahalanobis(latents.raw, keys.raw, tensor('similarity_func.log_sigma')));
    case 'attention': {
      const projected = (rows: Tensor, name: 'q' | 'k'): Tensor =>
        projectForAttention(rows, {
          weight: tensor(`similarity_func.${name}_proj.weight`),
          bias: tensor(`similarity_func.${name}_proj.bias`),
          norm: tensor(`similarity_func.${name}_norm.weight`),
        });
      const [queries, attended] = options.attentionProjections
        ? [projected(latents.raw, 'q'), projected(keys.raw, 'k')]
        : [latents.raw, keys.raw];
      return scaled(multiHeadDot(queries, attended, options.attentionHeads));
    }
    default: {
      const prototypes = { mean: keys.raw, logvar: tensor('expert_keys_logvar') };
      return affine(distances[measure](options)(gaussians, prototypes), -temperature);
    }
  }
}
