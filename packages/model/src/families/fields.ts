/**
 * Fields that the families' config schemas are made of. A message says what is expected; the caller adds the field and
 * what it got.
 */
import { z } from 'zod';

/** Beyond it is damage, or meant to exhaust whoever reads it: extents are 32-bit integers. */
export const MOST: number = 2 ** 31 - 1;

export const count = (most: number = MOST): z.ZodInt => {
  const expected = 'a whole number of at least 1';
  return z.int(expected).min(1, expected).max(most, `a whole number of at most ${most}`);
};

export const countOrZero = (): z.ZodInt => {
  const expected = 'a whole number of at least 0';
  return z.int(expected).min(0, expected).max(MOST, `a whole number of at most ${MOST}`);
};

export const positive = (): z.ZodNumber => z.number('a number above 0').gt(0, 'a number above 0');
export const notNegative = (): z.ZodNumber => z.number('a number of at least 0').min(0, 'a number of at least 0');
export const flag = (): z.ZodBoolean => z.boolean('true or false');

/** Keys with a single value that this implementation computes; other values are refused rather than ignored. */
export const fixed = <Value extends string | number | boolean | null>(
  value: Value,
): z.ZodDefault<z.ZodLiteral<Value>> =>
  z.literal(value, `${JSON.stringify(value)}, the only value that is implemented`).default(value as never);

/** As `fixed`, of keys that only some public configs have. */
export const fixedWhereGiven = <Value extends string | number | boolean>(
  value: Value,
): z.ZodOptional<z.ZodLiteral<Value>> =>
  z.literal(value, `${JSON.stringify(value)}, the only value that is implemented`).optional();

/** Keys of `config.json` that say nothing about the computation. */
export const remark = (): z.ZodOptional<z.ZodUnknown> => z.unknown().optional();

/** One of some words. */
export const oneOf = <const Values extends readonly string[]>(
  ...values: Values
): z.ZodEnum<{ [V in Values[number]]: V }> => z.enum(values, oneOfText(values)) as never;

/** What is said where none of some words is there. */
export const oneOfText = (values: readonly string[]): string =>
  `one of ${values.map((value) => JSON.stringify(value)).join(', ')}`;

/** Adds a check of several fields together; `expected` is reported for `field` when `holds` is false. */
export interface CrossCheck<Config> {
  readonly field: keyof Config & string;
  readonly expected: (config: Config) => string;
  readonly holds: (config: Config) => boolean;
}

/** Runs the checks on a config whose single fields are fine. */
export function crossCheck<Config>(
  checks: readonly CrossCheck<Config>[],
): (config: unknown, context: z.core.$RefinementCtx) => void {
  return (value, context) => {
    const config = value as Config;
    for (const { field, expected, holds } of checks) {
      if (!holds(config)) context.addIssue({ code: 'custom', path: [field], message: expected(config) });
    }
  };
}
