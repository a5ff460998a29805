/** Errors that are the user's to mend: shown as one message, without a stack. */

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** "unknown preset "tinny": did you mean "tiny"? Known: tiny, small". */
export function unknownName(kind: string, given: string, known: readonly string[]): UsageError {
  const nearest = known
    .map((name) => ({ name, distance: editDistance(given, name) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  const hint =
    nearest !== undefined && nearest.distance <= Math.max(2, given.length / 3) ? ` Did you mean ${nearest.name}?` : '';
  return new UsageError(`unknown ${kind} "${given}".${hint} Known: ${known.join(', ')}`);
}

/** Levenshtein's distance: insertions, deletions and replacements that turn a into b. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
