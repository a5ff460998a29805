/** Situations that a router is tried in: sizes, and the numbers that weights and tokens are drawn from. */
import { philox4x32 } from '@lpr/tensor';
import type { RouterShape } from '../router.ts';

/** One of them; the same each time. */
export interface Situation {
  readonly shape: RouterShape;
  readonly tokens: number;
  /** Standard deviation of the tokens. */
  readonly scale: number;
  readonly seed: number;
}

/** Situations in which what a method can do shows in some. */
export const EXAMPLES: readonly Situation[] = Array.from({ length: 24 }, (_, seed) => ({
  shape: { hidden: 6, experts: 5, topK: 2 },
  tokens: 14,
  scale: seed % 2 === 0 ? 1 : 10,
  seed,
}));

const SCALES = [0, 1e-3, 1, 1e3] as const;

/** Situations of all sizes, also the smallest, from a seed. */
export function drawSituations(count: number, seed: number): Situation[] {
  return Array.from({ length: count }, (_, i) => {
    const [a, b, c, d] = philox4x32([i, 0, 0, 0], [seed >>> 0, 1]);
    const [e, f] = philox4x32([i, 1, 0, 0], [seed >>> 0, 1]);
    const experts = 2 + (b % 8);
    return {
      shape: { hidden: 1 + (a % 12), experts, topK: 1 + (c % experts) },
      tokens: 1 + (d % 11),
      scale: SCALES[e % SCALES.length]!,
      seed: f >>> 1,
    };
  });
}
