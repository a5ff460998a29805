/** `pnpm trainer compare`: several routers on one task. */
import { join } from 'node:path';
import { type Comparison, createComparison, settingNames } from '../comparison/comparison.ts';
import { withEqualFlops } from '../comparison/equal-flops.ts';
import { finishComparison } from '../comparison/finish.ts';
import { withSeeds } from '../comparison/seeds.ts';
import { UsageError } from '../cli/errors.ts';
import { checkFits, predictionText, predictRun } from '../run/prediction.ts';
import type { Session } from '../run/session.ts';
import { checkStart } from '../run/start.ts';
import { resolveSettings, routerNames } from '../settings/resolve.ts';
import { type RouterName, ROUTERS } from '../settings/routers.ts';
import { comparisonReport } from '../comparison/results.ts';
import type { Settings } from '../settings/schema.ts';
import { type ComparisonOptions, inSession, outFolder, shown } from './shared.ts';

export interface CompareOptions extends ComparisonOptions {
  /** The router that others are compared with. */
  readonly baseline?: string;
  /** Each run trains as long as its first one's floating-point operations allow. */
  readonly equalFlops?: true;
}

export async function compare({
  seeds,
  baseline = 'top-k',
  equalFlops,
  out,
  ...options
}: CompareOptions): Promise<void> {
  const named = routerNames(options);
  const routers = (named === 'all' ? ROUTERS : ['top-k', ...named.split(',')]) as readonly RouterName[];
  if (new Set(routers).size < Math.max(2, routers.length)) {
    throw new UsageError(
      `--router ${named}: compare sets routers beside top-k, so name others, each once, such as lpr or lpr,switch, or all`,
    );
  }
  if (!routers.some((router) => router === baseline)) {
    throw new UsageError(`--baseline ${baseline}: it must be one of those compared: ${routers.join(', ')}`);
  }
  const one = new Map(routers.map((router) => [router, resolveSettings({ ...options, router }, routers)]));
  const runs = withSeeds(equalFlops ? withEqualFlops(one) : one, seeds, options);
  await startComparison('compare', { runs, baseline, tables: new Map() }, out);
}

/** Says what each setting of a comparison will take, then makes its folder and trains its runs. */
export async function startComparison(command: string, comparison: Comparison, out: string | undefined): Promise<void> {
  const { runs } = comparison;
  const [settings] = [...runs.values()] as [Settings];
  const names = Array.from(settingNames(comparison));
  const seedsOf = (setting: string): string[] => names.filter(([, name]) => name === setting).map(([run]) => run);
  // The seeds of a setting are alike in all that is checked.
  const first = new Map(
    Array.from(new Set(names.map(([, name]) => name)), (name) => [name, runs.get(seedsOf(name)[0]!)!]),
  );
  for (const each of first.values()) {
    checkFits(each);
    await checkStart(each, (sentence) => console.error(`note: ${sentence}`));
  }
  const folder = await outFolder(out, command);
  for (const [setting, each] of first) {
    const { length } = seedsOf(setting);
    console.error(
      `${setting}: ${predictionText(predictRun(each))}${length === 1 ? '' : `, for each of ${length} seeds`}`,
    );
  }
  await inSession(settings, folder, async (session, signal) => {
    await createComparison(folder, comparison);
    return await finishAndPrintComparison(session, folder, comparison, signal);
  });
}

/** Trains what is left of a comparison, then prints its table, or those of the paper beside ours. */
export async function finishAndPrintComparison(
  session: Session,
  folder: string,
  comparison: Comparison,
  signal: AbortSignal,
): Promise<boolean> {
  const finished = await finishComparison(session, folder, comparison, signal);
  session.progress.end();
  if (finished === null) return false;
  console.log(comparisonReport(comparison, finished.summary, finished.results));
  console.log(`\n${finished.files.map((name) => shown(join(folder, name))).join('  ')}`);
  return true;
}
