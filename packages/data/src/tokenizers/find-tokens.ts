/**
 * Where tokens stand in a text: of several that begin at one place the longest counts, and after it goes on the search.
 */

/** A token found in a text. */
export interface Found {
  readonly token: string;
  readonly start: number;
}

/**
 * Makes a function that finds tokens in a text, in time linear in the text times its longest token, however many there
 * are; in sorted order, so that it takes no more memory than they do.
 *
 * @param tokens none of them empty
 */
export function tokenFinder(tokens: Iterable<string>): (text: string) => Iterable<Found> {
  const sorted = [...new Set(tokens)].toSorted(byCodeUnits);
  const firstOf = new Map<number, number>();
  for (const [index, token] of sorted.entries()) {
    if (!firstOf.has(token.charCodeAt(0))) firstOf.set(token.charCodeAt(0), index);
  }

  const unitOf = (index: number, depth: number): number => sorted[index]!.charCodeAt(depth);
  /** The first token from `from` whose code unit at `depth` is not less than `unit`, of those before `end`. */
  const seek = (from: number, end: number, depth: number, unit: number): number => {
    let [low, high] = [from, end];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (unitOf(middle, depth) < unit) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const longestAt = (text: string, start: number): string | null => {
    let low = firstOf.get(text.charCodeAt(start)) ?? sorted.length;
    let high = sorted.length;
    let longest: string | null = null;
    // Those from low to high begin with what the text has up to here.
    for (let depth = 0; low < high && start + depth < text.length; ) {
      const unit = text.charCodeAt(start + depth);
      if (unitOf(low, depth) < unit) low = seek(low, high, depth, unit);
      // Of many tokens that end one after the other, only the last fall away here.
      let step = 1;
      while (high - step > low && unitOf(high - step, depth) > unit) step *= 2;
      high = seek(Math.max(low, high - step), high, depth, unit + 1);
      depth++;
      if (low < high && sorted[low]!.length === depth) longest = sorted[low++]!;
    }
    return longest;
  };

  return function* find(text) {
    for (let start = 0; start < text.length; ) {
      const token = longestAt(text, start);
      if (token === null) {
        start++;
        continue;
      }
      yield { token, start };
      start += token.length;
    }
  };
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
