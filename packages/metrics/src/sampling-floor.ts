/**
 * The loads of a perfectly uniform router: each token to k distinct experts, every set of k as likely as any other.
 * Seen through a finite number of tokens they are not even.
 */
import type { Random } from './random.ts';

/**
 * Loads `[experts]` of so many tokens, drawn exactly and in a time that does not grow with the tokens.
 *
 * Expert by expert: of the tokens that have j of their k choices left when m experts are left, each takes this expert
 * with probability j / m, independently of the others; so the number that do is binomial, and they have j - 1 left.
 */
export function uniformLoads(
  random: Random,
  { experts, topK, tokens }: { readonly experts: number; readonly topK: number; readonly tokens: number },
): Float64Array {
  const counts = new Float64Array(experts);
  /** By the number of choices that they have left. */
  const waiting = new Float64Array(topK + 1);
  waiting[topK] = tokens;
  for (let expert = 0; expert < experts; expert++) {
    const expertsLeft = experts - expert;
    // Upwards, so that those who took this expert are not asked again.
    for (let left = 1; left <= topK; left++) {
      if (waiting[left] === 0) continue;
      const taking = random.binomial(waiting[left]!, left / expertsLeft);
      counts[expert]! += taking;
      waiting[left]! -= taking;
      waiting[left - 1]! += taking;
    }
  }
  return counts;
}
