/** The levels that routers without any structure reach at a run's size, to set measured balance beside. */
import type { ReferenceLevel } from '@lpr/charts';
import { referenceLevels } from '@lpr/metrics';

export interface LevelsSize {
  readonly experts: number;
  readonly topK: number;
  /** Tokens of a window. */
  readonly tokens: number;
  /** Width of the latent space. */
  readonly latentDim: number;
}

/** Sampling floor and isotropic null; simulated, which takes a second for many experts. None without tokens. */
export function simulateLevels(size: LevelsSize): readonly ReferenceLevel[] {
  if (size.tokens <= 0) return [];
  const { samplingFloor, isotropicNull } = referenceLevels(size);
  return [
    { name: 'sampling floor', ...samplingFloor.expected },
    { name: 'isotropic null', ...isotropicNull.expected },
  ];
}
