/**
 * The loads of latent routing where nothing was learnt: latents that point in any direction alike, random unit keys,
 * each token to the k keys of largest cosine. One draw of keys is one layer.
 *
 * That takes tokens x keys x width products, so a draw of keys is tried on `NULL_LATENTS` latents. Up to as many
 * tokens, each latent is a token and loads are counted, nothing else. With more tokens, the latents and their opposites
 * say how the geometry of the keys alone spreads the load, and the sampling noise of that many tokens is added: the
 * more tokens, the less of it, until nothing is left but geometry and the level falls no further.
 */
import { mean, norm } from './arrays.ts';
import type { Random } from './random.ts';

/** Latents that are scored against the keys of one draw (more only where two frames have more rows). */
const NULL_LATENTS = 2 ** 12;

/** What a null is drawn for. */
export interface NullShape {
  readonly experts: number;
  readonly topK: number;
  readonly tokens: number;
  readonly latentDim: number;
}

/** Loads `[draws][experts]` of so many tokens, each of keys of its own. */
export function isotropicLoads(random: Random, shape: NullShape, draws: number): Float64Array[] {
  const { experts, topK, tokens, latentDim } = shape;
  if (tokens <= NULL_LATENTS) {
    return Array.from({ length: draws }, () => {
      const router = new CosineRouter(random, shape);
      const counts = new Float64Array(experts);
      const latent = new Float64Array(latentDim);
      for (let token = 0; token < tokens; token++) {
        for (let d = 0; d < latentDim; d++) latent[d] = random.normal();
        router.route(latent, 0, counts, false);
      }
      return counts;
    });
  }
  // The draws share them: how they favour some keys by chance is taken off each draw by itself.
  const frames = Array.from({ length: Math.max(2, Math.ceil(NULL_LATENTS / latentDim)) }, () =>
    randomFrame(random, latentDim),
  );
  return Array.from({ length: draws }, () => {
    const { deviations, variance } = geometryOf(new CosineRouter(random, shape), frames, shape);
    // Under any router the relative loads of T tokens vary by (M / k - 1 - variance) / T about their expectation.
    // Taking the mean off, so that no token is lost, takes 1 / M of that away.
    const noise = Math.sqrt(
      (Math.max(0, experts / topK - 1 - variance) / tokens) * (experts / Math.max(1, experts - 1)),
    );
    const normal = Float64Array.from(deviations, () => random.normal());
    const drift = mean(normal);
    return deviations.map(
      (deviation, expert) => (tokens * topK * Math.max(0, 1 + deviation + noise * (normal[expert]! - drift))) / experts,
    );
  });
}

/** How keys spread the load of infinitely many tokens. */
interface KeyGeometry {
  /** Of each expert's expected load from the mean, relative to the mean. */
  readonly deviations: Float64Array;
  /** Mean of their squares. */
  readonly variance: number;
}

/**
 * Estimates the geometry from frames of latents, `[latentDim, latentDim]` with orthonormal rows, which stand for
 * themselves and their opposites: a frame has no direction that it prefers, which takes most of the noise away. What is
 * left shows in how the frames differ; the deviations are scaled down to the variance without it.
 */
function geometryOf(
  router: CosineRouter,
  frames: readonly Float64Array[],
  { experts, topK, latentDim }: NullShape,
): KeyGeometry {
  const counts = new Float64Array(experts);
  const squares = new Float64Array(experts);
  const own = new Float64Array(experts);
  for (const frame of frames) {
    own.fill(0);
    for (let row = 0; row < latentDim; row++) router.route(frame, row, own, true);
    for (let expert = 0; expert < experts; expert++) {
      counts[expert]! += own[expert]!;
      squares[expert]! += own[expert]! ** 2;
    }
  }
  const even = (2 * latentDim * frames.length * topK) / experts;
  const deviations = counts.map((count) => count / even - 1);
  const seen = mean(deviations.map((deviation) => deviation ** 2));
  // Variance of a sum over n frames, from their squares: n / (n - 1) (sum of squares - square of the sum / n).
  const n = frames.length;
  const noise = mean(counts.map((count, expert) => ((n / (n - 1)) * (squares[expert]! - count ** 2 / n)) / even ** 2));
  const variance = Math.max(0, seen - noise);
  const scale = seen === 0 ? 0 : Math.sqrt(variance / seen);
  return { deviations: deviations.map((deviation) => scale * deviation), variance };
}

/** The experts of largest score among those that were offered. */
class Best {
  /** As many as are kept, the largest score first. */
  readonly experts: Uint32Array;
  readonly #scores: Float64Array;
  /** What a score must exceed to be kept. */
  needed = -Infinity;

  constructor(size: number) {
    this.experts = new Uint32Array(size);
    this.#scores = new Float64Array(size);
  }

  clear(): void {
    this.#scores.fill(-Infinity);
    this.needed = -Infinity;
  }

  /** @param score above `needed` */
  offer(expert: number, score: number): void {
    const scores = this.#scores;
    const experts = this.experts;
    let slot = experts.length - 1;
    for (; slot > 0 && scores[slot - 1]! < score; slot--) {
      scores[slot] = scores[slot - 1]!;
      experts[slot] = experts[slot - 1]!;
    }
    scores[slot] = score;
    experts[slot] = expert;
    this.needed = scores[scores.length - 1]!;
  }
}

/** Keys that are scored side by side: their sums do not wait for each other. */
const LANES = 8;

/** A router of random keys `r / |r|`, `r ~ N(0, I)` (the paper's hyperspherical initialisation). */
class CosineRouter {
  readonly #experts: number;
  readonly #width: number;
  /** `[experts / LANES, width, LANES]`, the last ones filled up with zeros. */
  readonly #keys: Float64Array;
  readonly #scores: Float64Array;
  readonly #nearest: Best;
  readonly #farthest: Best;

  constructor(random: Random, { experts, topK, latentDim }: NullShape) {
    this.#experts = experts;
    this.#width = latentDim;
    const blocks = Math.ceil(experts / LANES);
    this.#keys = new Float64Array(blocks * latentDim * LANES);
    this.#scores = new Float64Array(blocks * LANES);
    this.#nearest = new Best(topK);
    this.#farthest = new Best(topK);
    for (let expert = 0; expert < experts; expert++) {
      const key = randomUnit(random, latentDim);
      const start = Math.floor(expert / LANES) * latentDim * LANES + (expert % LANES);
      for (let d = 0; d < latentDim; d++) this.#keys[start + d * LANES] = key[d]!;
    }
  }

  /** Counts the experts of a row of latents `[rows, width]`, and, where asked, those of the opposite latent as well. */
  route(latents: Float64Array, row: number, counts: Float64Array, withOpposite: boolean): void {
    this.#score(latents, row * this.#width);
    const scores = this.#scores;
    const nearest = this.#nearest;
    const farthest = this.#farthest;
    const experts = this.#experts;
    nearest.clear();
    farthest.clear();
    for (let expert = 0; expert < experts; expert++) {
      const score = scores[expert]!;
      if (score > nearest.needed) nearest.offer(expert, score);
      if (-score > farthest.needed) farthest.offer(expert, -score);
    }
    for (const expert of nearest.experts) counts[expert]!++;
    if (withOpposite) for (const expert of farthest.experts) counts[expert]!++;
  }

  /** The latent's own length divides every cosine alike, so dot products have the order of cosines. */
  #score(latents: Float64Array, start: number): void {
    const end = start + this.#width;
    const keys = this.#keys;
    const scores = this.#scores;
    let at = 0;
    for (let block = 0; block < scores.length; block += LANES) {
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      let s4 = 0;
      let s5 = 0;
      let s6 = 0;
      let s7 = 0;
      for (let d = start; d < end; d++) {
        const x = latents[d]!;
        s0 += x * keys[at]!;
        s1 += x * keys[at + 1]!;
        s2 += x * keys[at + 2]!;
        s3 += x * keys[at + 3]!;
        s4 += x * keys[at + 4]!;
        s5 += x * keys[at + 5]!;
        s6 += x * keys[at + 6]!;
        s7 += x * keys[at + 7]!;
        at += LANES;
      }
      scores[block] = s0;
      scores[block + 1] = s1;
      scores[block + 2] = s2;
      scores[block + 3] = s3;
      scores[block + 4] = s4;
      scores[block + 5] = s5;
      scores[block + 6] = s6;
      scores[block + 7] = s7;
    }
  }
}

function randomUnit(random: Random, width: number): Float64Array {
  const vector = Float64Array.from({ length: width }, () => random.normal());
  return scaledToUnit(vector);
}

/** `[width, width]`: orthonormal rows in random directions, by Gram and Schmidt's method. */
function randomFrame(random: Random, width: number): Float64Array {
  const frame = new Float64Array(width * width);
  for (let row = 0; row < width; row++) {
    const own = frame.subarray(row * width, (row + 1) * width);
    own.set(randomUnit(random, width));
    for (let earlier = 0; earlier < row; earlier++) {
      const other = frame.subarray(earlier * width, (earlier + 1) * width);
      let dot = 0;
      for (let d = 0; d < width; d++) dot += own[d]! * other[d]!;
      for (let d = 0; d < width; d++) own[d]! -= dot * other[d]!;
    }
    scaledToUnit(own);
  }
  return frame;
}

/** Divides a vector by its length, in place. */
function scaledToUnit(vector: Float64Array): Float64Array {
  const length = norm(vector);
  for (let d = 0; d < vector.length; d++) vector[d]! /= length;
  return vector;
}
