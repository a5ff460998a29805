/** What a router without any structure would score at a run's size, worked out once for each size. */
import type { ReferenceLevel } from '@lpr/charts';
import { isotropicNull, samplingFloor } from '@lpr/metrics';

interface Size {
  readonly experts: number;
  readonly topK: number;
  /** Tokens of a window. */
  readonly tokens: number;
}

/** Draws that a page can simulate without a pause that anybody notices. */
const MAX_DRAWS = 4_000_000;
/** The paper's width of the latent space, and enough tokens that what is left of the null's imbalance is its geometry. */
const LATENT_DIM = 16;
const NULL_SCORES = 4_000_000;

const known = new Map<string, readonly ReferenceLevel[]>();

/**
 * Sampling floor and isotropic null. A window of very many tokens has no floor worth a line, and it is left out.
 */
export function referenceLevels(size: Size): readonly ReferenceLevel[] {
  const key = JSON.stringify(size);
  let levels = known.get(key);
  if (levels === undefined) {
    levels = simulate(size);
    known.set(key, levels);
  }
  return levels;
}

function simulate({ experts, topK, tokens }: Size): readonly ReferenceLevel[] {
  if (!(tokens > 0 && topK <= experts)) return [];
  const draws = tokens * topK;
  const trials = Math.min(8, Math.floor(MAX_DRAWS / draws));
  const nullTokens = Math.min(tokens, Math.max(1, Math.floor(NULL_SCORES / experts)));
  return [
    ...(trials === 0 ? [] : [{ name: 'sampling floor', ...samplingFloor({ experts, topK, tokens, seed: 0, trials }) }]),
    {
      name: 'isotropic null',
      ...isotropicNull({ experts, topK, latentDim: LATENT_DIM, tokens: nullTokens, seed: 0 }),
    },
  ];
}
