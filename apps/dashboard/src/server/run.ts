/** One run that the server follows: its files read once, and again only where they grew. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path/posix';
import { hasCode, isLocked } from '@lpr/train';
import { parse } from 'yaml';
import {
  type Evaluation,
  type LoadsInfo,
  type RunDetails,
  type RunSummary,
  type SeriesFile,
  SPARKLINE_POINTS,
} from '../api.ts';
import { LOADS_FILE, METRICS_FILE } from '../run-folder.ts';
import { checkpointOf } from './checkpoint.ts';
import { readEvaluation } from './evaluation.ts';
import { JsonLines } from './json-lines.ts';
import { loadsInfo, readWindows, type WindowRange } from './loads.ts';
import { RecordedMetrics } from './metrics.ts';
import type { ServedFolder } from './paths.ts';
import { fieldsOf, messageOf, numberOf, textOf } from '../json.ts';

/** Files of a run that can be downloaded as they are. */
const DOWNLOADS = [
  'config.yaml',
  METRICS_FILE,
  LOADS_FILE,
  'evaluations.jsonl',
  'evaluation.json',
  'environment.json',
  'report.html',
];
/** Settings and evaluations are small; what is larger is none. */
const MAX_SMALL_FILE_BYTES = 2 ** 24;
const MAX_SETTINGS = 500;

interface SmallFile {
  readonly seen: string;
  readonly text: string;
}

export class FollowedRun {
  readonly id: string;
  readonly #folder: ServedFolder;
  readonly #metrics = new RecordedMetrics();
  readonly #evaluations: Evaluation[] = [];
  readonly #logs: ReadonlyMap<string, JsonLines>;
  readonly #small = new Map<string, SmallFile>();
  readonly #problems = new Map<string, string>();
  #settings: Readonly<Record<string, unknown>> = {};
  #final: Evaluation | null = null;
  #locked = false;
  #read = false;
  #updatedAt = 0;
  #polling: Promise<void> | null = null;
  #version = 0;

  constructor(folder: ServedFolder, id: string) {
    this.id = id;
    this.#folder = folder;
    const metrics = new JsonLines(folder, this.#path(METRICS_FILE), this.#metrics);
    const evaluations = new JsonLines(folder, this.#path('evaluations.jsonl'), {
      line: (value) => this.#evaluations.push(readEvaluation(value)),
      reset: () => (this.#evaluations.length = 0),
    });
    this.#logs = new Map([
      [METRICS_FILE, metrics],
      ['evaluations.jsonl', evaluations],
    ]);
  }

  /** Another number each time that anything changed that a page shows. */
  get version(): number {
    return this.#version;
  }

  /** Reads what is new. Calls at one time share one pass. */
  poll(): Promise<void> {
    this.#polling ??= this.#poll().finally(() => (this.#polling = null));
    return this.#polling;
  }

  summary(): RunSummary {
    const settings = this.#settings;
    const training = fieldsOf(settings['training']);
    const final = this.#final;
    const last = (name: string): number | null => this.#metrics.last(name);
    const name = this.id === '.' ? basename(this.#folder.root) : basename(this.id);
    const group = dirname(this.id);
    return {
      id: this.id,
      name,
      group: group === '.' ? '' : group,
      status: this.#locked ? 'running' : final === null ? 'stopped' : 'finished',
      read: this.#read,
      architecture: textOf(settings['architecture']),
      router: textOf(settings['router']),
      seed: numberOf(settings['seed']),
      step: this.#metrics.step,
      totalSteps: numberOf(training['steps']),
      updatedAt: this.#updatedAt,
      figures: {
        loss: last('loss'),
        testLoss: final?.loss ?? this.#evaluations.at(-1)?.loss ?? null,
        gini: final?.gini ?? last('gini'),
        minMax: final?.minMax ?? last('minMax'),
        maxVio: final?.maxVio ?? last('maxVio'),
        tokensPerSecond: last('tokensPerSecond'),
      },
      sparklines: { loss: this.#sparkline('loss'), gini: this.#sparkline('gini') },
      problems: [
        ...this.#problems.values(),
        ...[...this.#logs].flatMap(([file, { problems }]) => problems.map((problem) => `${file}: ${problem}`)),
      ],
    };
  }

  async details(): Promise<RunDetails> {
    const during = this.#evaluations.filter(({ final }) => !final);
    const final = finalOf(
      this.#final,
      this.#evaluations.findLast((evaluation) => evaluation.final),
    );
    return {
      summary: this.summary(),
      settings: flatten(this.#settings).slice(0, MAX_SETTINGS),
      loads: await this.#loadsInfo(),
      evaluations: final === null ? during : [...during, final],
      traces: await this.#traceSteps(),
      files: (await Promise.all(DOWNLOADS.map((name) => this.#fileInfo(name)))).flatMap((file) => file ?? []),
      explorer: await checkpointOf(this.#folder, this.id).then(
        ({ step }) => ({ step, unavailable: null }),
        (error: unknown) => ({ step: null, unavailable: messageOf(error) }),
      ),
    };
  }

  series(points: number, from?: number): SeriesFile {
    return this.#metrics.file(points, from);
  }

  windows(range: WindowRange): Promise<Uint8Array> {
    return readWindows(this.#folder, this.#path(LOADS_FILE), range);
  }

  /** Path below the served folder of the routing trace that was written at a step. */
  trace(step: number): string {
    return this.#path(`traces/step-${String(step).padStart(6, '0')}.trace`);
  }

  /** Path below the served folder of a file that may be downloaded; undefined for any other name. */
  download(name: string): string | undefined {
    return DOWNLOADS.includes(name) ? this.#path(name) : undefined;
  }

  /** Steps of the files that `trace` names; none where there is no such folder. */
  async #traceSteps(): Promise<number[]> {
    const names = await this.#folder
      .resolve(this.#path('traces'))
      .then((path) => readdir(path))
      .catch(() => []);
    return names
      .flatMap((name) => /^step-(\d{6,})\.trace$/.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
  }

  async #poll(): Promise<void> {
    const before = JSON.stringify([this.#locked, this.#read, [...this.#problems]]);
    const changed: boolean[] = [
      await this.#guarded('config.yaml', () =>
        this.#readSmall('config.yaml', (text) => (this.#settings = fieldsOf(parse(text)))),
      ),
      await this.#guarded('evaluation.json', () =>
        this.#readSmall('evaluation.json', (text) => (this.#final = readEvaluation(JSON.parse(text)))),
      ),
    ];
    for (const [file, log] of this.#logs) changed.push(await this.#guarded(file, () => log.poll()));
    await this.#loadsInfo();
    this.#locked = await this.#folder
      .resolve(this.id)
      .then(isLocked)
      .catch(() => false);
    this.#updatedAt = (await this.#fileInfo(METRICS_FILE))?.modifiedAt ?? 0;
    this.#read = true;
    if (changed.includes(true) || before !== JSON.stringify([this.#locked, this.#read, [...this.#problems]]))
      this.#version++;
  }

  /** Runs a step of a poll; what it throws becomes a problem of that file and stops nothing else. */
  async #guarded(file: string, step: () => Promise<boolean>): Promise<boolean> {
    try {
      const changed = await step();
      if (changed) this.#problems.delete(file);
      return changed;
    } catch (error) {
      this.#problems.set(file, `${file}: ${messageOf(error)}`);
      return false;
    }
  }

  /** Reads a small file where it changed since the last time. A file that is gone leaves what was read. */
  async #readSmall(name: string, take: (text: string) => void): Promise<boolean> {
    const info = await this.#fileInfo(name);
    if (info === null) return false;
    const seen = `${info.bytes} ${info.modifiedAt}`;
    if (this.#small.get(name)?.seen === seen) return false;
    if (info.bytes > MAX_SMALL_FILE_BYTES) throw new Error(`has ${info.bytes} bytes, more than such a file ever holds`);
    const file = await this.#folder.open(this.#path(name));
    try {
      const text = await file.readFile('utf8');
      this.#small.set(name, { seen, text });
      take(text);
    } finally {
      await file.close();
    }
    return true;
  }

  async #loadsInfo(): Promise<LoadsInfo | null> {
    try {
      const info = await loadsInfo(this.#folder, this.#path(LOADS_FILE));
      this.#problems.delete(LOADS_FILE);
      return info;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return null;
      this.#problems.set(LOADS_FILE, `${LOADS_FILE}: ${messageOf(error)}`);
      return null;
    }
  }

  async #fileInfo(name: string): Promise<{ name: string; bytes: number; modifiedAt: number } | null> {
    try {
      const file = await this.#folder.open(this.#path(name));
      try {
        const { size, mtimeMs } = await file.stat();
        return { name, bytes: size, modifiedAt: mtimeMs };
      } finally {
        await file.close();
      }
    } catch {
      return null;
    }
  }

  #sparkline(name: string): readonly number[] {
    return this.#metrics.series.get(name)?.points(SPARKLINE_POINTS).values ?? [];
  }

  #path(file: string): string {
    return this.id === '.' ? file : join(this.id, file);
  }
}

/** The finished model's figures, which both files have: domains only in the log, counts only in the file of its own. */
function finalOf(file: Evaluation | null, line: Evaluation | undefined): Evaluation | null {
  if (file === null || line === undefined) return file ?? line ?? null;
  return { ...file, maxVio: line.maxVio ?? file.maxVio, domains: line.domains };
}

/** Leaves of the settings by their path. */
function flatten(value: unknown, path: string = ''): [string, string][] {
  const fields = Object.entries(fieldsOf(value));
  if (fields.length === 0)
    return path === '' ? [] : [[path, typeof value === 'string' ? value : JSON.stringify(value)]];
  return fields.flatMap(([name, inner]) => flatten(inner, path === '' ? name : `${path}.${name}`));
}
