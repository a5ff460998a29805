/** One run that the server follows, as pages see it. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path/posix';
import { leadMeasure } from '@lpr/report/tables';
import {
  checkNote,
  factsOf,
  finalEvaluation,
  messageOf,
  RUN_FILES,
  RunFollower,
  type RunFiles,
  type RunNote,
  type SeriesFile,
  settingTexts,
  traceFile,
  traceSteps,
  type WindowRange,
  writeNote,
} from '@lpr/runs';
import { type ExpertLife, NOTE_START, type RunDetails, type RunSummary, SPARKLINE_POINTS } from '../api.ts';
import { checkpointOf } from './checkpoint.ts';
import { expertLife } from './expert-life.ts';
import type { ServedFolder } from './paths.ts';

/** Files of a run that can be downloaded as they are. */
const DOWNLOADS: readonly string[] = [
  RUN_FILES.config,
  RUN_FILES.metrics,
  RUN_FILES.loads,
  RUN_FILES.evaluations,
  RUN_FILES.identity,
  RUN_FILES.environment,
  'report.html',
];
const MAX_SETTINGS = 500;

export class FollowedRun {
  readonly id: string;
  readonly #folder: ServedFolder;
  readonly #files: RunFiles;
  readonly #follower: RunFollower;

  constructor(folder: ServedFolder, id: string) {
    this.id = id;
    this.#folder = folder;
    this.#files = {
      open: (path) => folder.open(this.#path(path)),
      list: async (path) => readdir(await folder.resolve(this.#path(path))),
    };
    this.#follower = new RunFollower(this.#files);
  }

  /** Another number each time that anything changed that a page shows. */
  get version(): number {
    return this.#follower.version;
  }

  /** Reads what is new. Calls at one time share one pass. */
  poll(): Promise<void> {
    return this.#follower.poll();
  }

  summary(): RunSummary {
    const { settings, metrics, evaluations, note, isLocked, isRead, updatedAt, problems } = this.#follower;
    const { architecture, router, seed, steps } = factsOf(settings);
    const final = finalEvaluation(evaluations);
    const group = dirname(this.id);
    return {
      id: this.id,
      name: this.id === '.' ? basename(this.#folder.root) : basename(this.id),
      group: group === '.' ? '' : group,
      status: isLocked ? 'running' : final === undefined ? 'stopped' : 'finished',
      read: isRead,
      architecture,
      router,
      seed,
      step: metrics.step,
      totalSteps: steps,
      updatedAt,
      measures: {
        loss: metrics.last('loss'),
        testLoss: evaluations.at(-1)?.loss ?? null,
        balance: final?.balance?.mean ?? metrics.lastOf('balance'),
        balanceText: final?.balance ? 'held-out' : 'training',
        tokensPerSecond: metrics.last('tokensPerSecond'),
      },
      sparklines: {
        loss: metrics.values('loss', SPARKLINE_POINTS),
        balance: metrics.values(`balance.${leadMeasure.key}`, SPARKLINE_POINTS),
      },
      tags: note.tags,
      noteStart: note.text.slice(0, NOTE_START),
      problems,
    };
  }

  /** By their paths. */
  settings(): readonly (readonly [path: string, value: string])[] {
    return settingTexts(this.#follower.settings).slice(0, MAX_SETTINGS);
  }

  async details(): Promise<RunDetails> {
    const { settings, evaluations } = this.#follower;
    const newest = evaluations.at(-1);
    return {
      summary: this.summary(),
      facts: factsOf(settings),
      settings: this.settings(),
      note: this.#follower.note,
      loads: await this.#follower.loads(),
      evaluations: evaluations.map((line) => ({ ...line, counts: line === newest ? line.counts : null })),
      traces: await traceSteps(this.#files).catch(() => []),
      files: (await Promise.all(DOWNLOADS.map((name) => this.#fileInfo(name)))).flatMap((file) => file ?? []),
      explorer: await checkpointOf(this.#folder, this.id).then(
        ({ step }) => ({ step, unavailable: null }),
        (error: unknown) => ({ step: null, unavailable: messageOf(error) }),
      ),
    };
  }

  /** Writes what people say of it. @returns that, as it is kept @throws RangeError that says what is wrong with it */
  async writeNote(note: unknown): Promise<RunNote> {
    const kept = checkNote(note);
    await writeNote(await this.#folder.resolve(this.id), kept);
    await this.poll();
    return kept;
  }

  series(points: number, from?: number): SeriesFile {
    return this.#follower.metrics.file(points, from);
  }

  /** Every value of some series; as `MetricsSeries.file`. */
  exactSeries(names: readonly string[], from: number): SeriesFile {
    return this.#follower.metrics.file(Infinity, from, names);
  }

  windows(range: WindowRange): Promise<Uint8Array> {
    return this.#follower.windows(range);
  }

  /** Whether its router compares directions alone. */
  get byAngle(): boolean {
    return factsOf(this.#follower.settings).byAngle;
  }

  /** The life of one expert; as `expertLife`. */
  async expertLife(
    place: { readonly layer: number; readonly expert: number },
    textsOf: (ids: readonly number[]) => Promise<readonly string[]>,
  ): Promise<ExpertLife> {
    return await expertLife({ follower: this.#follower, files: this.#files }, place, textsOf);
  }

  /** Path below the served folder of the routing trace that was written at a step. */
  trace(step: number): string {
    return this.#path(traceFile(step));
  }

  /** Path below the served folder of a file that may be downloaded; undefined for any other name. */
  download(name: string): string | undefined {
    return DOWNLOADS.includes(name) ? this.#path(name) : undefined;
  }

  async #fileInfo(name: string): Promise<{ name: string; bytes: number } | null> {
    try {
      const file = await this.#files.open(name);
      try {
        return { name, bytes: (await file.stat()).size };
      } finally {
        await file.close();
      }
    } catch {
      return null;
    }
  }

  #path(file: string): string {
    return this.id === '.' ? file : join(this.id, file);
  }
}
