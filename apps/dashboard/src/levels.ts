/** The levels that routers without any structure reach at a run's size, to set measured balance beside. */
import type { ReferenceLevel } from '@lpr/charts';
import { isotropicNull, samplingFloor } from '@lpr/metrics';

export interface LevelsSize {
  readonly experts: number;
  readonly topK: number;
  /** Tokens of a window. */
  readonly tokens: number;
  /** Width of the latent space. */
  readonly latentDim: number;
}

/** Above so many tokens, what is left of the null's imbalance is the geometry of its keys. */
const NULL_TOKENS = 131_072;

/** Sampling floor and isotropic null; simulated, which takes a second for many experts. None without tokens. */
export function simulateLevels({ experts, topK, tokens, latentDim }: LevelsSize): readonly ReferenceLevel[] {
  if (tokens <= 0) return [];
  return [
    { name: 'sampling floor', ...samplingFloor({ experts, topK, tokens, seed: 0 }) },
    {
      name: 'isotropic null',
      ...isotropicNull({ experts, topK, latentDim, tokens: Math.min(tokens, NULL_TOKENS), seed: 0 }),
    },
  ];
}
