/** `pnpm trainer train` and `pnpm trainer resume`. */
import { balanceText } from '@lpr/report/tables';
import { RunFolder } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';
import { joinRanks } from '../cli/ranks.ts';
import { readComparison } from '../comparison/comparison.ts';
import { withSeeds } from '../comparison/seeds.ts';
import { checkFits, predictionText, predictRun } from '../run/prediction.ts';
import { finishRun } from '../run/finish.ts';
import { ownTokenizer } from '../pool/sessions.ts';
import { lengthenRun } from '../run/lengthen.ts';
import type { Session } from '../run/session.ts';
import { checkStart } from '../run/start.ts';
import { checkShares } from '../run/team.ts';
import { resolveSettings } from '../settings/resolve.ts';
import { readSettings } from '../settings/check.ts';
import type { Settings } from '../settings/schema.ts';
import { goOnWithComparison, startComparison } from './compare.ts';
import { type ComparisonOptions, inSession, outFolder, shown, withLimits } from './shared.ts';

export async function train({ seeds, out, parallel, ...options }: ComparisonOptions): Promise<void> {
  const one = resolveSettings(await withLimits(options));
  const runs = withSeeds(new Map([[one.router, one]]), seeds, options);
  if (runs.size > 1) {
    await startComparison('train', { runs, baseline: null, tables: new Map() }, { out, parallel });
    return;
  }
  const [settings] = [...runs.values()] as [Settings];
  const { size: ranks } = await joinRanks();
  checkShares(settings, { size: ranks });
  checkFits(settings, ranks);
  await checkStart(settings, (sentence) => console.error(`note: ${sentence}`));
  if (parallel !== undefined && parallel > 1) {
    throw new UsageError(`--parallel ${parallel}: there is one run; name several --seeds, or leave it out`);
  }
  const claim = await outFolder(out, 'train');
  console.error(predictionText(predictRun(settings, ranks)));
  await inSession(settings, claim, async (session, { folder, signal }) => {
    const run = await RunFolder.create(folder, settings);
    return await finishAndPrintRun(session, run, settings, signal);
  });
}

export interface ResumeOptions {
  readonly threads?: number;
  /** Of a comparison, as in `ManyRunsOptions`. */
  readonly parallel?: number;
  /** Of the whole run, more than it has. */
  readonly steps?: number;
}

/** Goes on with a run or a comparison; a run may become longer. */
export async function resume(folder: string, { threads, parallel, steps }: ResumeOptions): Promise<void> {
  const withThreads = (settings: Settings): Settings => (threads === undefined ? settings : { ...settings, threads });
  const comparison = await readComparison(folder);
  if (comparison !== null) {
    if (steps !== undefined) {
      throw new UsageError(`--steps ${steps}: ${folder} is a comparison; only a run of its own can be made longer`);
    }
    const runs = new Map(Array.from(comparison.runs, ([name, settings]) => [name, withThreads(settings)]));
    await goOnWithComparison(folder, { ...comparison, runs }, { parallel });
    return;
  }
  if (parallel !== undefined && parallel > 1) {
    throw new UsageError(`--parallel ${parallel}: ${folder} is a single run; leave it out`);
  }
  // What a kill left of a change of settings is brought to its end before they are read.
  const run = await RunFolder.open(folder);
  try {
    const line = steps === undefined ? null : await lengthenRun(run, steps);
    if (line !== null) console.error(line);
  } finally {
    await run.close();
  }
  const settings = withThreads(await readSettings(folder));
  await inSession(
    settings,
    async () => folder,
    async (session, { signal }) => finishAndPrintRun(session, await RunFolder.open(folder), settings, signal),
    await ownTokenizer(folder, settings),
  );
}

async function finishAndPrintRun(
  session: Session,
  run: RunFolder,
  settings: Settings,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const evaluation = await finishRun(session, run, settings, { name: settings.router, signal });
    session.progress.end();
    if (evaluation === null) return false;
    const { loss, evaluatedTokens, balance } = evaluation;
    console.log(
      `${settings.router}: test loss ${loss.toFixed(4)} over ${evaluatedTokens} held-out tokens, ` +
        `${balance === null ? 'no experts' : balanceText(balance.mean, balance.worst)}\n${shown(run.path)}`,
    );
    return true;
  } finally {
    await run.close();
  }
}
