/** Choosing the next token from logits. */

export interface SamplingOptions {
  /**
   * 0, the default: the token with the largest logit. Otherwise logits are divided by this before the softmax that is
   * drawn from.
   */
  readonly temperature?: number;
  /** Draw from the k most probable tokens alone. */
  readonly topK?: number;
  /**
   * Draw from the fewest most probable tokens whose probabilities sum to at least this (nucleus sampling, Holtzman et
   * al. 2019).
   */
  readonly topP?: number;
}

/** Throws a RangeError that names the option outside of its range. */
export function checkSampling({ temperature = 0, topK = 1, topP = 1 }: SamplingOptions): void {
  const check = (holds: boolean, name: string, value: number, expected: string): void => {
    if (!holds) throw new RangeError(`sampling: ${name} must be ${expected}, got ${value}`);
  };
  check(temperature >= 0 && temperature < Infinity, 'temperature', temperature, 'a finite number of at least 0');
  check(Number.isInteger(topK) && topK >= 1, 'topK', topK, 'a whole number of at least 1');
  check(topP > 0 && topP <= 1, 'topP', topP, 'above 0 and at most 1');
}

/**
 * The index of a token. Temperature comes first, then topK, then topP of what is left, as in Hugging Face transformers;
 * of equal logits the lowest index is the more probable. `uniform` is a random number in [0, 1).
 *
 * @throws RangeError when no logit is finite, as those of a model that has diverged.
 */
export function sampleToken(logits: ArrayLike<number>, options: SamplingOptions, uniform: number): number {
  const { temperature = 0, topK = logits.length, topP = 1 } = options;
  const best = largest(logits);
  // Of a comparison with NaN nothing can be said, so one that is anywhere leaves no largest.
  if (!Number.isFinite(logits[best])) {
    throw new RangeError(`sampling: the largest of ${logits.length} logits is ${logits[best]}, not a finite number`);
  }
  if (temperature === 0) return best;

  let tokens = Uint32Array.from(logits, (_, token) => token);
  if (topK < logits.length || topP < 1) {
    tokens = tokens.sort((a, b) => logits[b]! - logits[a]! || a - b).subarray(0, topK);
  }
  const masses = Float64Array.from(tokens, (token) => Math.exp((logits[token]! - logits[best]!) / temperature));
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  let nucleus = total;
  if (topP < 1) {
    nucleus = 0;
    for (let i = 0; nucleus < topP * total && i < masses.length; i++) nucleus += masses[i]!;
  }
  let below = 0;
  for (const [i, mass] of masses.entries()) {
    below += mass;
    if (uniform * nucleus < below) return tokens[i]!;
  }
  // Rounding alone leads here.
  return best;
}

function largest(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) return i;
    if (logits[i]! > logits[best]!) best = i;
  }
  return best;
}
