/** Balance of loads as run files hold it: every measure of @lpr/metrics under its own name. */
import type { BalanceReport, LayersReport } from '@lpr/metrics';
import { z } from 'zod';
import { measured, measureSchema, type ReadonlyDeep } from './plain.ts';

/** Not a list of names: a measure that @lpr/metrics gains is stored and read without a change here. */
const measuresSchema = z.record(z.string(), measureSchema) as unknown as z.ZodType<
  Partial<Record<keyof BalanceReport, number | null>>
>;

export const balanceSchema = z.strictObject({
  /** Mean over layers. */
  mean: measuresSchema,
  /** The least balanced layer of each measure. */
  worst: measuresSchema,
});

/** The measures of balance by their names in `BalanceReport`; null where one does not exist. */
export type Measures = ReadonlyDeep<z.infer<typeof measuresSchema>>;

/** Balance over the layers of a model. */
export type Balance = ReadonlyDeep<z.infer<typeof balanceSchema>>;

/** A report as files hold it. */
export function balanceOf({ mean, worst }: Pick<LayersReport, 'mean' | 'worst'>): Balance {
  return { mean: measuresOf(mean), worst: measuresOf(worst) };
}

function measuresOf(report: BalanceReport): Measures {
  return Object.fromEntries(Object.entries(report).map(([name, value]) => [name, measured(value)]));
}
