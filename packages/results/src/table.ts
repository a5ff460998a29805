/** The schema of a table in a stored result. */
import type { MeasureRange } from '@lpr/metrics';
import type { Measured, TableRecord } from '@lpr/report/tables';
import { z } from 'zod';

/** A table as it is stored: what @lpr/report prints, of one group of rows. */
export interface Table extends Omit<TableRecord, 'below' | 'rows'> {
  readonly rows: readonly Readonly<Record<string, StoredCell>>[];
}

/** A number may have its error, or be the mean of a range. */
type StoredCell = string | number | null | Required<Pick<Measured, 'value' | 'error'>> | MeasureRange;

const cellSchema: z.ZodType<StoredCell> = z.union([
  z.string(),
  z.number(),
  z.null(),
  z.strictObject({ value: z.number(), error: z.number().min(0).nullable() }),
  z.strictObject({ mean: z.number(), low: z.number(), high: z.number() }),
]);

export const tableSchema: z.ZodType<Table> = z
  .strictObject({
    title: z.string(),
    columns: z
      .array(
        z.strictObject({
          key: z.string(),
          title: z.string(),
          decimals: z.int().min(0).optional(),
          format: z.enum(['measure', 'milliseconds', 'probability', 'short', 'plain']).optional(),
          beside: z.strictObject({ key: z.string(), decimals: z.int().min(0).optional() }).optional(),
        }),
      )
      .min(1),
    rows: z.array(z.record(z.string(), cellSchema)),
    notes: z.array(z.string()),
  })
  .superRefine(({ columns, rows }, context) => {
    const known = new Set(columns.flatMap(({ key, beside }) => (beside === undefined ? [key] : [key, beside.key])));
    for (const [i, row] of rows.entries()) {
      for (const key of Object.keys(row)) {
        if (known.has(key)) continue;
        const message = `is no column's key; the columns have ${[...known].join(', ')}`;
        context.addIssue({ code: 'custom', path: ['rows', i, key], message });
      }
    }
  });
