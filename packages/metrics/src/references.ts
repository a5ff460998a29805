/**
 * What a figure of balance is worth: the levels that routers without any structure reach.
 *
 * The **sampling floor** is a perfectly uniform router, seen through a finite number of tokens: a measured Gini below
 * it is luck, one near it is as good as balance gets. The **isotropic null** is latent routing where nothing was
 * learnt: Gaussian latents, random unit keys, cosine top-k. It is close to balanced by symmetry alone, so a trained
 * latent router has to be read against it. **Hash routing** is balance by token id alone: what a fixed table makes of
 * the text's own frequencies.
 */
import { type BalanceReport, balanceReport, meanReport } from './balance.ts';
import { checkPositiveInteger } from './checks.ts';
import { Random } from './random.ts';

/** What the levels without a text are simulated for. */
export interface ReferenceSettings {
  /** Number of experts, M. */
  readonly experts: number;
  /** Distinct experts that each token goes to, k; from 1 to M. */
  readonly topK: number;
  /** Tokens routed in the window that the measured figure comes from. */
  readonly tokens: number;
  /** Seed of the simulation, an integer >= 0; the same seed gives the same figures. */
  readonly seed: number;
}

/** Settings of `samplingFloor`. */
export interface SamplingFloorSettings extends ReferenceSettings {
  /** Simulated windows that the figures are averaged over. Default 8. */
  readonly trials?: number;
}

/** Settings of `isotropicNull`. */
export interface IsotropicNullSettings extends ReferenceSettings {
  /** Width of the latent space, D; the paper uses 16. */
  readonly latentDim: number;
}

/**
 * Expected figures of a router that sends each token to `topK` distinct experts drawn uniformly at random: the mean
 * over simulated windows of `tokens` tokens. Takes about 10 ms per million drawn experts (`tokens * topK * trials`).
 */
export function samplingFloor(settings: SamplingFloorSettings): BalanceReport {
  const { experts, topK, tokens, seed, trials = 8 } = settings;
  checkSettings(settings);
  checkPositiveInteger('trials', trials);
  const random = new Random(seed);
  const draw = distinctExperts(random, experts, topK);
  const reports: BalanceReport[] = [];
  for (let trial = 0; trial < trials; trial++) {
    const counts = new Float64Array(experts);
    for (let token = 0; token < tokens; token++) for (const expert of draw()) counts[expert]! += 1;
    reports.push(balanceReport(counts));
  }
  return meanReport(reports);
}

/**
 * Figures of one untrained latent router: `tokens` latents from `N(0, I_D)`, keys `r / |r|` with `r ~ N(0, I_D)` (the
 * paper's hyperspherical initialisation), each token to the `topK` keys of largest cosine. One draw of keys, as in one
 * layer of a model; other seeds give other layers. Takes about 0.2 s for 100,000 tokens, 128 experts and latents of
 * width 16.
 */
export function isotropicNull(settings: IsotropicNullSettings): BalanceReport {
  const { experts, topK, tokens, latentDim, seed } = settings;
  checkSettings(settings);
  checkPositiveInteger('latentDim', latentDim);
  const random = new Random(seed);
  const keys = randomUnitRows(random, experts, latentDim);
  const counts = new Float64Array(experts);
  const latent = new Float64Array(latentDim);
  const bestScores = new Float64Array(topK);
  const bestExperts = new Uint32Array(topK);
  for (let token = 0; token < tokens; token++) {
    for (let d = 0; d < latentDim; d++) latent[d] = random.normal();
    bestScores.fill(-Infinity);
    for (let expert = 0; expert < experts; expert++) {
      // The latent's own length divides every score of a token alike, so the order of the dot products is that of the
      // cosines.
      let score = 0;
      const row = expert * latentDim;
      for (let d = 0; d < latentDim; d++) score += latent[d]! * keys[row + d]!;
      if (score <= bestScores[topK - 1]!) continue;
      let slot = topK - 1;
      for (; slot > 0 && bestScores[slot - 1]! < score; slot--) {
        bestScores[slot] = bestScores[slot - 1]!;
        bestExperts[slot] = bestExperts[slot - 1]!;
      }
      bestScores[slot] = score;
      bestExperts[slot] = expert;
    }
    for (const expert of bestExperts) counts[expert]! += 1;
  }
  return balanceReport(counts);
}

/** Settings of `hashRouting`. */
export interface HashRoutingSettings {
  readonly experts: number;
  readonly topK: number;
  /** The token ids of the window that the measured figure comes from. */
  readonly tokenIds: ArrayLike<number>;
  readonly seed: number;
  /** Random tables that the figures are averaged over. Default 8. */
  readonly trials?: number;
}

/**
 * Figures of routing by token id alone (Roller et al. 2021, Hash layers, arXiv 2106.04426): each id goes to `topK`
 * distinct experts drawn once. The mean over random tables. The load is as even as the frequencies of ids allow, which
 * is often worse than what learned routers reach: a few ids make up much of a text.
 */
export function hashRouting(settings: HashRoutingSettings): BalanceReport {
  const { experts, topK, tokenIds, seed, trials = 8 } = settings;
  checkSettings({ experts, topK, tokens: tokenIds.length, seed });
  checkPositiveInteger('trials', trials);
  const occurrences = new Map<number, number>();
  for (let token = 0; token < tokenIds.length; token++) {
    occurrences.set(tokenIds[token]!, (occurrences.get(tokenIds[token]!) ?? 0) + 1);
  }
  const random = new Random(seed);
  const draw = distinctExperts(random, experts, topK);
  const reports = Array.from({ length: trials }, () => {
    const counts = new Float64Array(experts);
    for (const tokens of occurrences.values()) for (const expert of draw()) counts[expert]! += tokens;
    return balanceReport(counts);
  });
  return meanReport(reports);
}

/** Draws `topK` of the experts at each call, uniformly; the array is reused. */
function distinctExperts(random: Random, experts: number, topK: number): () => Uint32Array {
  // The first k entries after a partial Fisher-Yates shuffle are a uniform k-subset, whatever order the array started
  // in.
  const order = Uint32Array.from({ length: experts }, (_, expert) => expert);
  const drawn = order.subarray(0, topK);
  return () => {
    for (let slot = 0; slot < topK; slot++) {
      const other = slot + random.below(experts - slot);
      const expert = order[other]!;
      order[other] = order[slot]!;
      order[slot] = expert;
    }
    return drawn;
  };
}

/** `[rows, width]` in row-major order: each row a normal vector divided by its length. */
function randomUnitRows(random: Random, rows: number, width: number): Float64Array {
  const matrix = Float64Array.from({ length: rows * width }, () => random.normal());
  for (let row = 0; row < rows; row++) {
    const vector = matrix.subarray(row * width, (row + 1) * width);
    const length = Math.hypot(...vector);
    for (let d = 0; d < width; d++) vector[d] = vector[d]! / length;
  }
  return matrix;
}

function checkSettings({ experts, topK, tokens }: ReferenceSettings): void {
  checkPositiveInteger('experts', experts);
  checkPositiveInteger('topK', topK);
  checkPositiveInteger('tokens', tokens);
  if (topK > experts) {
    throw new RangeError(`topK is ${topK}, but there are only ${experts} experts to choose distinct ones from`);
  }
}
