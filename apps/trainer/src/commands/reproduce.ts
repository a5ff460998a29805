/** `pnpm trainer reproduce`: the paper's tables at the size that options say. */
import { reproductionOf, tableNumbers } from '../comparison/reproduction.ts';
import { startComparison } from './compare.ts';
import type { RunCommandOptions } from './shared.ts';

export async function reproduce(tables: readonly string[], options: RunCommandOptions): Promise<void> {
  await startComparison('reproduce', reproductionOf(tableNumbers(tables), options), options.out);
}
