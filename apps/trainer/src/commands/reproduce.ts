/** `pnpm trainer reproduce`: the paper's tables at the size that options say, in some formulations of LPR. */
import { tableText } from '@lpr/report/tables';
import { hyperparameterTable } from '../comparison/hyperparameters.ts';
import { formulationNames, reproductionOf, tableNumbers } from '../comparison/reproduction.ts';
import { withSeeds } from '../comparison/seeds.ts';
import { startComparison } from './compare.ts';
import type { ComparisonOptions } from './shared.ts';

export interface ReproduceOptions extends ComparisonOptions {
  /** Names, separated by commas. */
  readonly formulations?: string;
}

export async function reproduce(
  names: readonly string[],
  { seeds, formulations, out, parallel, ...options }: ReproduceOptions,
): Promise<void> {
  const numbers = tableNumbers(names);
  const shown = formulationNames(options, formulations);
  const { runs, tables } = reproductionOf(numbers, options, shown);
  const comparison = { runs: withSeeds(runs, seeds, options), baseline: null, tables };
  // Known before anything is trained.
  if (numbers.includes(8)) console.log(`${tableText(hyperparameterTable())}\n`);
  await startComparison('reproduce', comparison, { out, parallel });
}
