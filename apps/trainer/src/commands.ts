/** What the commands do. Results go to stdout, progress and messages to stderr; errors are thrown. */
import { access, constants, readdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve as resolvePath } from 'node:path';
import { layersReport } from '@lpr/metrics';
import { hasCode, RunFolder } from '@lpr/train';
import { createComparison, finishComparison, readComparison, type Summary } from './comparison.ts';
import { UsageError } from './errors.ts';
import { INTERRUPTED, listenForInterrupt } from './interrupt.ts';
import { checkMemory } from './models.ts';
import { createProgress } from './progress.ts';
import { finishRun, loadRun, readSettings, type RunResultFile } from './runs.ts';
import { evaluateHeldOut, openSession, type Session } from './session.ts';
import { resolveSettings, ROUTERS, type SettingOptions, type Settings } from './settings.ts';
import { comparisonTable } from './table.ts';

export interface RunCommandOptions extends SettingOptions {
  readonly out?: string;
}

export interface EvalOptions {
  readonly tokens?: number;
  readonly threads?: number;
}

/** `pnpm trainer compare` */
export async function compare(options: RunCommandOptions): Promise<void> {
  const routers = options.router === 'all' ? ROUTERS : ['top-k', ...options.router.split(',')];
  if (new Set(routers).size < Math.max(2, routers.length)) {
    throw new UsageError(
      `--router ${options.router}: compare sets routers beside top-k, so name others, each once, such as lpr or lpr,switch, or all`,
    );
  }
  // The settings of a method are no concern of the others.
  const shared = options.set.filter((assignment) => !assignment.startsWith('method.'));
  const own = (router: string): readonly string[] => (router === options.router ? options.set : shared);
  const runs = new Map(routers.map((router) => [router, resolveSettings({ ...options, router, set: own(router) })]));
  const [settings] = [...runs.values()] as [Settings];
  for (const each of runs.values()) checkMemory(each);
  const folder = await outFolder(options.out, 'compare');
  await inSession(settings, folder, async (session, signal) => {
    await createComparison(folder, runs);
    return await finishAndPrintComparison(session, folder, runs, signal);
  });
}

/** `pnpm trainer train` */
export async function train(options: RunCommandOptions): Promise<void> {
  const settings = resolveSettings(options);
  checkMemory(settings);
  const folder = await outFolder(options.out, 'train');
  await inSession(settings, folder, async (session, signal) => {
    const run = await RunFolder.create(folder, settings);
    return await finishAndPrintRun(session, run, settings, signal);
  });
}

/** `pnpm trainer resume` */
export async function resume(folder: string, { threads }: { threads?: number }): Promise<void> {
  const withThreads = (settings: Settings): Settings => (threads === undefined ? settings : { ...settings, threads });
  const comparison = await readComparison(folder);
  if (comparison !== null) {
    const runs = new Map(Array.from(comparison, ([name, settings]) => [name, withThreads(settings)]));
    const [settings] = runs.values();
    await inSession(settings!, folder, (session, signal) => finishAndPrintComparison(session, folder, runs, signal));
    return;
  }
  const settings = withThreads(await readSettings(folder));
  await inSession(settings, folder, async (session, signal) =>
    finishAndPrintRun(session, await RunFolder.open(folder), settings, signal),
  );
}

/** `pnpm trainer eval` */
export async function evaluateRun(folder: string, { tokens, threads }: EvalOptions): Promise<void> {
  const comparison = await readComparison(folder);
  if (comparison !== null) {
    const runs = Array.from(comparison.keys(), (name) => join(folder, name));
    throw new UsageError(`${folder} is a comparison; name one of its runs: ${runs.join(', ')}`);
  }
  const stored = await readSettings(folder);
  const settings: Settings = {
    ...stored,
    ...(threads === undefined ? {} : { threads }),
    evaluation: { ...stored.evaluation, ...(tokens === undefined ? {} : { tokens }) },
  };
  await inSession(settings, folder, async (session) => {
    const { decoder, step } = await loadRun(session, folder, settings);
    const figures = await evaluateHeldOut(session, decoder, settings, folder);
    const { mean, worst } = layersReport(figures.counts);
    session.progress.end();
    const { tokens: evaluationTokens, loss: testLoss, mutualInformation, mutualInformationBias } = figures;
    const counts = figures.counts.map((layer) => Array.from(layer));
    console.log(
      JSON.stringify({
        step,
        evaluationTokens,
        testLoss,
        mean,
        worst,
        mutualInformation,
        mutualInformationBias,
        counts,
      }),
    );
    return true;
  });
}

async function finishAndPrintComparison(
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

async function finishAndPrintRun(
  session: Session,
  run: RunFolder,
  settings: Settings,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    const result: RunResultFile | null = await finishRun(session, run, settings, settings.router, signal);
    session.progress.end();
    if (result === null) return false;
    const { testLoss, gini, minMax, worst, tokens } = result.evaluation;
    const format = (value: number | null): string => value?.toFixed(4) ?? 'undefined';
    console.log(
      `${settings.router}: test loss ${testLoss.toFixed(4)} over ${tokens} held-out tokens, Gini ${format(gini)} (worst layer ${format(worst.gini)}), ` +
        `min-max ${format(minMax)} (worst layer ${format(worst.minMax)})\n${shown(run.path)}`,
    );
    return true;
  } finally {
    await run.close();
  }
}

/** Opens a session, listens for Ctrl-C, and cleans up. `body` says whether it finished. */
async function inSession(
  settings: Settings,
  folder: string,
  body: (session: Session, signal: AbortSignal) => Promise<boolean>,
): Promise<void> {
  const progress = createProgress(process.stderr, process.env);
  const interrupt = listenForInterrupt(() => progress.note('stopping after this step; Ctrl-C again to stop at once'));
  let session: Session | null = null;
  try {
    session = await openSession(settings, progress);
    if (!(await body(session, interrupt.signal))) {
      progress.note(`stopped and saved. Go on with: pnpm trainer resume ${shown(folder)}`);
      process.exitCode = INTERRUPTED;
    }
  } finally {
    progress.end();
    interrupt.stop();
    await session?.device.dispose();
  }
}

/**
 * The folder for a new run: `--out`, or the first free `runs/<command>-<number>`.
 *
 * @throws UsageError when `--out` exists and is not empty; Error when its parent cannot be written
 */
async function outFolder(out: string | undefined, command: string): Promise<string> {
  if (out === undefined) {
    for (let number = 1; ; number++) {
      const folder = join('runs', `${command}-${number}`);
      if ((await contentOf(folder)) !== null) continue;
      await checkWritable(folder);
      return folder;
    }
  }
  const content = await contentOf(out);
  if (content !== null && content.length > 0) {
    throw new UsageError(
      `${out} already exists and is not empty; nothing in it was changed. ` +
        `Go on with what is there: pnpm trainer resume ${out}. Start anew: choose another --out`,
    );
  }
  await checkWritable(out);
  return out;
}

/** Throws unless the path, or the nearest folder above it that exists, can be written to: found out before minutes of work. */
async function checkWritable(out: string): Promise<void> {
  let path = resolvePath(out);
  while ((await contentOf(path)) === null) path = dirname(path);
  await access(path, constants.W_OK).catch((error: unknown) => {
    throw new UsageError(`--out ${out}: cannot write to ${path} (${String(error)}); choose another`);
  });
}

/** Names in a folder; null when nothing is there. */
async function contentOf(path: string): Promise<string[] | null> {
  try {
    return (await stat(path)).isDirectory() ? await readdir(path) : [path];
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw new UsageError(`--out ${path}: ${String(error)}; choose another`);
  }
}

function shown(path: string): string {
  return relative('.', path) || '.';
}
