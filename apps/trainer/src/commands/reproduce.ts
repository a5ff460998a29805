/** `pnpm trainer reproduce`: the paper's tables at the size that options say. */
import { tableText } from '@lpr/report/tables';
import { hyperparameterTable } from '../comparison/hyperparameters.ts';
import { reproductionOf, tableNumbers } from '../comparison/reproduction.ts';
import { startComparison } from './compare.ts';
import type { RunCommandOptions } from './shared.ts';

export async function reproduce(tables: readonly string[], options: RunCommandOptions): Promise<void> {
  const numbers = tableNumbers(tables);
  const reproduction = reproductionOf(numbers, options);
  // Known before anything is trained.
  if (numbers.includes(8)) console.log(`${tableText(hyperparameterTable())}\n`);
  await startComparison('reproduce', reproduction, options.out);
}
