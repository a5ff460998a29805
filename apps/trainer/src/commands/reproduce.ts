/** `pnpm trainer reproduce`: the paper's tables at the size that options say. */
import { createComparison } from '../comparison.ts';
import { reproductionOf, tableNumbers } from '../reproduction.ts';
import { finishAndPrintComparison } from './compare.ts';
import { checkFits } from '../prediction.ts';
import { inSession, outFolder, type RunCommandOptions } from './shared.ts';

export async function reproduce(tables: readonly string[], options: RunCommandOptions): Promise<void> {
  const comparison = reproductionOf(tableNumbers(tables), options);
  for (const settings of comparison.runs.values()) checkFits(settings);
  const [settings] = comparison.runs.values();
  const folder = await outFolder(options.out, 'reproduce');
  await inSession(settings!, folder, async (session, signal) => {
    await createComparison(folder, comparison);
    return await finishAndPrintComparison(session, folder, comparison, signal);
  });
}
