/** `pnpm trainer compare`: several routers on one task. */
import { join } from 'node:path';
import { type Comparison, createComparison, runsOfSettings } from '../comparison/comparison.ts';
import { withEqualFlops } from '../comparison/equal-flops.ts';
import { type FinishedComparison, finishComparison } from '../comparison/finish.ts';
import { withSeeds } from '../comparison/seeds.ts';
import { UsageError } from '../cli/errors.ts';
import { joinRanks } from '../cli/ranks.ts';
import { checkFits, checkFitTogether, predictionText, predictRun, totalText } from '../run/prediction.ts';
import { loadTokens } from '../run/session.ts';
import { ownTokenizer } from '../pool/sessions.ts';
import { checkStart } from '../run/start.ts';
import { checkParallel, checkShares } from '../run/team.ts';
import { asksForFittingBatch, resolveSettings, routerNames, type SettingOptions } from '../settings/resolve.ts';
import { type RouterName, ROUTERS } from '../settings/routers.ts';
import { comparisonReport } from '../comparison/results.ts';
import type { Settings } from '../settings/schema.ts';
import { type ComparisonOptions, interruptible, type ManyRunsOptions, outFolder, shown, withLimits } from './shared.ts';

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
  parallel,
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
  const one = settingsOf(routers, await withLimits(options));
  const runs = withSeeds(equalFlops ? withEqualFlops(one) : one, seeds, options);
  await startComparison('compare', { runs, baseline, tables: new Map() }, { out, parallel });
}

/** Of each router; where the batch is left to what fits, that which fits all of them. */
function settingsOf(routers: readonly RouterName[], options: SettingOptions): Map<RouterName, Settings> {
  const resolved = (given: SettingOptions): Map<RouterName, Settings> =>
    new Map(routers.map((router) => [router, resolveSettings({ ...given, router }, routers)]));
  const all = resolved(options);
  if (!asksForFittingBatch(options)) return all;
  const batchSize = Math.min(...Array.from(all.values(), ({ data }) => data.batchSize));
  return resolved({ ...options, set: [...options.set, `data.batchSize=${batchSize}`] });
}

/** How results are shown. */
export interface TableOptions {
  /** What rows go by, as in `comparisonReport`. */
  readonly sort?: string | undefined;
}

/** Says what each setting of a comparison will take, then makes its folder and trains its runs. */
export async function startComparison(
  command: string,
  comparison: Comparison,
  { out, ...options }: ManyRunsOptions & TableOptions,
): Promise<void> {
  const claim = await outFolder(out, command);
  await checkComparison(comparison);
  await trainComparison(comparison, options, async () => {
    const folder = await claim();
    await createComparison(folder, comparison);
    return folder;
  });
}

/** Trains what is left of a comparison. */
export async function goOnWithComparison(
  folder: string,
  comparison: Comparison,
  options: Pick<ManyRunsOptions, 'parallel'> & TableOptions,
): Promise<void> {
  await trainComparison(comparison, options, async () => folder, folder);
}

/** Settings of which no more than these are told what they take, one by one. */
const MOST_TOLD = 12;

/** Checks and says what the settings of a comparison will take, before anything is made. */
async function checkComparison(comparison: Comparison): Promise<void> {
  const settings = Array.from(runsOfSettings(comparison), ([name, runs]) => {
    // The seeds of a setting are alike in all that is checked.
    return { name, seeds: runs.length, first: comparison.runs.get(runs[0]!)! };
  });
  const { size: ranks } = await joinRanks();
  for (const { first } of settings) {
    checkShares(first, { size: ranks });
    checkFits(first, ranks);
    await checkStart(first, (sentence) => console.error(`note: ${sentence}`));
  }
  for (const { name, seeds, first } of settings.slice(0, settings.length > MOST_TOLD ? 0 : undefined)) {
    console.error(
      `${name}: ${predictionText(predictRun(first, ranks))}${seeds === 1 ? '' : `, for each of ${seeds} seeds`}`,
    );
  }
  if (settings.length > MOST_TOLD) {
    console.error(totalText([...comparison.runs.values()]));
  }
}

/**
 * Trains what is left of a comparison, then prints its table, or those of the paper beside ours.
 *
 * @param claim gives its folder, made where it is a new one
 * @param begun the folder where there is one already
 */
async function trainComparison(
  comparison: Comparison,
  { parallel = 1, sort }: Pick<ManyRunsOptions, 'parallel'> & TableOptions,
  claim: () => Promise<string>,
  begun: string | null = null,
): Promise<void> {
  await checkParallel(parallel);
  if (parallel > 1) checkFitTogether([...comparison.runs.values()], parallel);
  const [[name, first]] = comparison.runs as unknown as readonly [readonly [string, Settings]];
  await interruptible(
    claim,
    async (sessions) => {
      // Faults of the text are told before anything is made, and a tokenizer is trained once: children find it in the
      // cache.
      const tokenizer = begun === null ? undefined : await ownTokenizer(join(begun, name), first);
      if (parallel === 1) await sessions.of(first, tokenizer);
      else await loadTokens(first, sessions.progress, tokenizer);
      return parallel === 1 ? sessions : null;
    },
    async (sessions, { folder, progress, signal }) => {
      const finished = await finishComparison(folder, comparison, { progress, signal, sessions, parallel });
      progress.end();
      if (finished === null) return false;
      printComparison(folder, finished, sort);
      return true;
    },
  );
}

/**
 * Prints the table of what is finished, and what was written.
 *
 * @param left what the others have done, and what becomes of them with `resume`
 * @throws Error that names the others, where there are some
 */
export function printComparison(
  folder: string,
  finished: FinishedComparison,
  sort?: string,
  left = 'failed; they are tried again with',
): void {
  const { comparison, summary, results, files, failures } = finished;
  if (results.length > 0) console.log(comparisonReport(comparison, summary, results, sort));
  if (files.length > 0) console.log(`\n${files.map((name) => shown(join(folder, name))).join('  ')}`);
  if (failures.size === 0) return;
  const reasons = Array.from(failures, ([name, reason]) => `- ${name}: ${reason}`);
  throw new Error(
    `${failures.size} of ${failures.size + comparison.runs.size} runs ${left}: pnpm trainer resume ${shown(folder)}\n${reasons.join('\n')}`,
  );
}
