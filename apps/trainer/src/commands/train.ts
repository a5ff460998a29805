/** `pnpm trainer train` and `pnpm trainer resume`. */
import { balanceText } from '@lpr/report/tables';
import { RunFolder } from '@lpr/runs';
import { readComparison } from '../comparison/comparison.ts';
import { withSeeds } from '../comparison/seeds.ts';
import { checkFits, predictionText, predictRun } from '../run/prediction.ts';
import { finishRun } from '../run/finish.ts';
import type { Session } from '../run/session.ts';
import { resolveSettings } from '../settings/resolve.ts';
import { readSettings } from '../settings/check.ts';
import type { Settings } from '../settings/schema.ts';
import { finishAndPrintComparison, startComparison } from './compare.ts';
import { type ComparisonOptions, inSession, outFolder, shown } from './shared.ts';

export async function train({ seeds, ...options }: ComparisonOptions): Promise<void> {
  const one = resolveSettings(options);
  const runs = withSeeds(new Map([[one.router, one]]), seeds, options);
  if (runs.size > 1) {
    await startComparison('train', { runs, baseline: null, tables: new Map() }, options.out);
    return;
  }
  const [settings] = [...runs.values()] as [Settings];
  checkFits(settings);
  const folder = await outFolder(options.out, 'train');
  console.error(predictionText(predictRun(settings)));
  await inSession(settings, folder, async (session, signal) => {
    const run = await RunFolder.create(folder, settings);
    return await finishAndPrintRun(session, run, settings, signal);
  });
}

/** Goes on with a run or a comparison. */
export async function resume(folder: string, { threads }: { threads?: number }): Promise<void> {
  const withThreads = (settings: Settings): Settings => (threads === undefined ? settings : { ...settings, threads });
  const comparison = await readComparison(folder);
  if (comparison !== null) {
    const runs = new Map(Array.from(comparison.runs, ([name, settings]) => [name, withThreads(settings)]));
    const [settings] = runs.values();
    await inSession(settings!, folder, (session, signal) =>
      finishAndPrintComparison(session, folder, { ...comparison, runs }, signal),
    );
    return;
  }
  const settings = withThreads(await readSettings(folder));
  await inSession(settings, folder, async (session, signal) =>
    finishAndPrintRun(session, await RunFolder.open(folder), settings, signal),
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
