/** Errors that are the user's to mend: shown as one message, without a stack. */
import { closest, distance } from 'fastest-levenshtein';

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** "unknown preset "tinny": did you mean "tiny"? Known: tiny, small". */
export function unknownName(kind: string, given: string, known: readonly string[]): UsageError {
  return new UsageError(unknownNameText(kind, given, known));
}

export function unknownNameText(kind: string, given: string, known: readonly string[]): string {
  const nearest = closest(given, known);
  const hint = distance(given, nearest) <= Math.max(2, given.length / 3) ? ` Did you mean ${nearest}?` : '';
  return `unknown ${kind} "${given}".${hint} Known: ${known.join(', ')}`;
}
