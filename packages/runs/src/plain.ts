/** What schemas of several files share, and what is said of them that are damaged. */
import { MAX_STEP } from '@lpr/metrics';
import { z } from 'zod';

/** A type all the way down read-only, as everything is that was read from a file. */
export type ReadonlyDeep<T> = T extends readonly (infer Item)[]
  ? readonly ReadonlyDeep<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: ReadonlyDeep<T[Key]> }
    : T;

export const stepSchema = z.int().min(0).max(MAX_STEP);

export const countSchema = z.int().min(0);

/** A number; null where it does not exist, such as a share of nothing: JSON writes NaN as null. */
export const measureSchema = z.number().nullable();

/** The first thing that is wrong, and how many others are: "balance.mean: expected record, got null". */
export function issueText({ issues }: z.ZodError): string {
  const [first] = issues;
  if (first === undefined) return 'it is damaged';
  const path = first.path.length === 0 ? '' : `${first.path.join('.')}: `;
  return `${path}${first.message}${issues.length > 1 ? `, and ${issues.length - 1} more` : ''}`;
}

/** A finite number as it is, anything else as null. */
export function measured(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** What an error says, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
