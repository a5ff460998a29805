/** `pnpm trainer compare`: several routers on one task. */
import { join } from 'node:path';
import { createComparison, finishComparison, type Summary } from '../comparison.ts';
import { UsageError } from '../errors.ts';
import { checkFits, predictionText, predictRun } from '../prediction.ts';
import type { Session } from '../session.ts';
import { resolveSettings, routerNames } from '../settings/resolve.ts';
import { type RouterName, ROUTERS } from '../settings/routers.ts';
import type { Settings } from '../settings/schema.ts';
import { comparisonTable } from '../table.ts';
import { inSession, outFolder, type RunCommandOptions, shown } from './shared.ts';

export async function compare(options: RunCommandOptions): Promise<void> {
  const named = routerNames(options);
  const routers = (named === 'all' ? ROUTERS : ['top-k', ...named.split(',')]) as readonly RouterName[];
  if (new Set(routers).size < Math.max(2, routers.length)) {
    throw new UsageError(
      `--router ${named}: compare sets routers beside top-k, so name others, each once, such as lpr or lpr,switch, or all`,
    );
  }
  const runs = new Map(routers.map((router) => [router, resolveSettings({ ...options, router }, routers)]));
  const [settings] = [...runs.values()] as [Settings];
  for (const each of runs.values()) checkFits(each);
  const folder = await outFolder(options.out, 'compare');
  for (const [name, each] of runs) console.error(`${name}: ${predictionText(predictRun(each))}`);
  await inSession(settings, folder, async (session, signal) => {
    await createComparison(folder, runs);
    return await finishAndPrintComparison(session, folder, runs, signal);
  });
}

/** Trains what is left of a comparison, then prints its table. */
export async function finishAndPrintComparison(
  session: Session,
  folder: string,
  runs: ReadonlyMap<string, Settings>,
  signal: AbortSignal,
): Promise<boolean> {
  const summary: Summary | null = await finishComparison(session, folder, runs, signal);
  session.progress.end();
  if (summary === null) return false;
  const [settings] = runs.values();
  console.log(comparisonTable(summary, settings!.architecture));
  console.log(`\n${['summary.json', 'heatmap.png', 'curves.png'].map((name) => shown(join(folder, name))).join('  ')}`);
  return true;
}
