/**
 * How even loads can be where a token's experts depend on its type alone, its id in the vocabulary, whatever the
 * context.
 *
 * Text is not even: a type that makes up more than k / M of it gives each of its k experts more than their fair share,
 * wherever it is sent. A router below this floor tells tokens of one type apart.
 */
import { checkPositiveInteger } from './checks.ts';
import { checkCounts, type Counts } from './counts.ts';

export interface TokenTypeFloor {
  /**
   * `[M]`, descending: loads that no assignment of types to experts can be more even than. Any assignment's loads
   * majorise them, so that every measure of balance is at least as far from balance.
   */
  readonly loads: Float64Array;
  /** Types that are more than the fair share of an expert: their places in `counts`, the most frequent first. */
  readonly frequent: readonly number[];
  /** Their share of the tokens, from 0 to 1. */
  readonly share: number;
}

/**
 * The floor of a text. Each type goes to k distinct experts, all its tokens to the same ones.
 *
 * Of the j most frequent types, all assignments give some k j experts at least k times their tokens; the loads here
 * meet that with equality as long as a type exceeds what an even division of the rest would give, and then divide the
 * rest evenly, as if its types could be split.
 *
 * @param counts `[V]` tokens of each type
 * @throws RangeError for counts that are none, or a `topK` above `experts`
 */
export function tokenTypeFloor(
  counts: Counts,
  { experts, topK }: { readonly experts: number; readonly topK: number },
): TokenTypeFloor {
  checkCounts(counts);
  checkPositiveInteger('experts', experts);
  checkPositiveInteger('topK', topK, experts);
  const types = Array.from(counts, (_, type) => type).sort((a, b) => counts[b]! - counts[a]!);
  const tokens = types.reduce((sum, type) => sum + counts[type]!, 0);
  const loads = new Float64Array(experts);
  const frequent: number[] = [];
  let left = tokens;
  let filled = 0;
  for (const type of types) {
    const count = counts[type]!;
    // Never where fewer than k experts are left: these would have to hold more than this type each.
    if (!(count * (experts - filled) > topK * left)) break;
    loads.fill(count, filled, filled + topK);
    filled += topK;
    left -= count;
    frequent.push(type);
  }
  loads.fill((topK * left) / (experts - filled), filled);
  return { loads, frequent, share: tokens > 0 ? 1 - left / tokens : 0 };
}
