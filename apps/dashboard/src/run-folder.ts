/**
 * Reads what a training run left in its folder. Any file may be missing, still growing, or damaged: that costs what is
 * drawn from it, and nothing else.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { CurvePoint } from '@lpr/charts';
import { decodeLoads, layersReport, type LoadFile } from '@lpr/metrics';
import { hasCode, readConfig } from '@lpr/train';
import { countsOf, fieldsOf, numberOf, numbersOf } from './json.ts';

export const METRICS_FILE = 'metrics.jsonl';
export const LOADS_FILE = 'loads.bin';

/** What was read, or a sentence that says why it could not be. */
export type Part<T> = { readonly value: T } | { readonly value?: undefined; readonly missing: string };

/** What a run recorded at one step; parts that were not recorded then are left out. */
export interface RunPoint extends CurvePoint {
  /** Milliseconds a step by part of the model, over the window that ends at the step. */
  readonly phases?: Readonly<Record<string, number>>;
  /** Norm of the gradient of each loss term at each part of the model. */
  readonly gradientNorms?: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Figures of a model on held-out text; those that the run did not write are left out. */
export interface Evaluation {
  readonly step?: number;
  readonly router?: string;
  /** Held-out tokens. */
  readonly tokens?: number;
  /** Cross entropy, nats per token. */
  readonly loss?: number;
  readonly gini?: number;
  readonly minMax?: number;
  readonly maxVio?: number;
  readonly worst: { readonly gini?: number; readonly minMax?: number; readonly maxVio?: number };
  readonly mutualInformation?: number;
  readonly mutualInformationBias?: number;
  /** `[layers][experts]`. */
  readonly counts?: readonly (readonly number[])[];
}

/** One run, by the name of its folder. */
export interface Run {
  readonly name: string;
  readonly folder: string;
  /** Steps ascending; at least one. */
  readonly points: Part<readonly RunPoint[]>;
  /** At least one window. */
  readonly loads: Part<LoadFile>;
  /** Of the finished model, or the newest there is. */
  readonly evaluation: Part<Evaluation>;
  /** Width of the latent space, where the router has one. */
  readonly latentDim: number | undefined;
  /** Whether the router compares directions alone, not lengths. */
  readonly byAngle: boolean;
  /** What is wrong with files that could be read all the same, a sentence each. */
  readonly problems: readonly string[];
}

/**
 * Reads a run folder, or every run folder directly inside of a folder that is none itself (a comparison), by name.
 *
 * @throws Error where there is no such folder, or no run in it.
 */
export async function readRuns(folder: string): Promise<Run[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw new Error(`cannot read the run folder ${folder}: ${messageOf(error)}`);
  });
  if (await isRun(folder)) return [await readRun(folder)];
  const runs: Run[] = [];
  for (const entry of entries.filter((entry) => entry.isDirectory()).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = join(folder, entry.name);
    if (await isRun(inner)) runs.push(await readRun(inner));
  }
  if (runs.length > 0) return runs;
  throw new Error(
    `${folder} is no run folder: neither it nor a folder inside has a ${METRICS_FILE} or a ${LOADS_FILE}; give the folder that training wrote`,
  );
}

async function readRun(folder: string): Promise<Run> {
  const metrics = await readPart(folder, METRICS_FILE, (bytes) => parseMetrics(bytes.toString('utf8')));
  const loads = await readPart(folder, LOADS_FILE, decodeLoads);
  const lpr = fieldsOf(fieldsOf(await readConfig(folder).catch(() => undefined))['lpr']);
  return {
    name: basename(resolve(folder)),
    folder,
    points: nonEmpty(
      metrics.value ? { value: metrics.value.points } : metrics,
      (points) => points.length,
      `${METRICS_FILE} holds no step yet`,
    ),
    loads: nonEmpty(loads, ({ windows }) => windows.length, `${LOADS_FILE} holds no whole window yet`),
    evaluation: await readEvaluation(folder),
    latentDim: numberOf(lpr['latentDim']) ?? undefined,
    byAngle: lpr['measure'] === 'cosine',
    problems: metrics.value?.problems.map((problem) => `${METRICS_FILE}: ${problem}`) ?? [],
  };
}

/** A file of a run, read; what is wrong with it names the file. */
export async function readPart<T>(folder: string, file: string, read: (bytes: Buffer) => T): Promise<Part<T>> {
  try {
    return { value: read(await readFile(join(folder, file))) };
  } catch (error) {
    return { missing: hasCode(error, 'ENOENT') ? `${file} is missing` : `${file}: ${messageOf(error)}` };
  }
}

function nonEmpty<T>(part: Part<T>, length: (value: T) => number, missing: string): Part<T> {
  return part.value !== undefined && length(part.value) === 0 ? { missing } : part;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Points of a `metrics.jsonl`, and what is wrong with other lines. A last line cut short, as of a run that is being
 * written or was killed, is left out; where steps repeat, as after a resumption, the later lines hold. Lines without a
 * step (other records) are skipped.
 */
export function parseMetrics(text: string): { points: RunPoint[]; problems: string[] } {
  const { values, problems } = parseLines(text);
  const points: RunPoint[] = [];
  for (const value of values) {
    const point = toPoint(fieldsOf(value));
    if (point === undefined) continue;
    while ((points.at(-1)?.step ?? -1) >= point.step) points.pop();
    points.push(point);
  }
  return { points, problems };
}

function parseLines(text: string): { values: unknown[]; problems: string[] } {
  const values: unknown[] = [];
  const problems: string[] = [];
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue;
    try {
      values.push(JSON.parse(line));
    } catch {
      if (i < lines.length - 1) problems.push(`line ${i + 1} is no JSON and was left out: ${line.slice(0, 60)}`);
    }
  }
  return { values, problems };
}

function toPoint(line: Readonly<Record<string, unknown>>): RunPoint | undefined {
  const { step, loss, gini, minMax, maxVio } = numbersOf(line);
  if (step === undefined) return undefined;
  const phases = numbersOf(line['phases']);
  const norms = Object.entries(fieldsOf(line['gradientNorms'])).map(
    ([term, parts]) => [term, numbersOf(parts)] as const,
  );
  return {
    step,
    ...(loss !== undefined && { loss }),
    ...(gini !== undefined && { gini }),
    ...(minMax !== undefined && { minMax }),
    ...(maxVio !== undefined && { maxVio }),
    ...(Object.keys(phases).length > 0 && { phases }),
    ...(norms.length > 0 && { gradientNorms: Object.fromEntries(norms) }),
  };
}

/** `evaluation.json` of a finished run, with what the last line of `evaluations.jsonl` adds; or that line alone. */
async function readEvaluation(folder: string): Promise<Part<Evaluation>> {
  const whole = await readPart(folder, 'evaluation.json', (bytes) => fieldsOf(JSON.parse(bytes.toString('utf8'))));
  const lines = await readPart(folder, 'evaluations.jsonl', (bytes) => parseLines(bytes.toString('utf8')).values);
  const line = fieldsOf(lines.value?.at(-1));
  if (whole.value === undefined && Object.keys(line).length === 0) {
    return 'missing' in whole && whole.missing.endsWith('is missing')
      ? { missing: 'there is no evaluation.json or evaluations.jsonl yet' }
      : whole;
  }
  const { evaluation, ...run } = whole.value ?? {};
  return { value: toEvaluation(line, run, fieldsOf(evaluation)) };
}

function toEvaluation(
  line: Readonly<Record<string, unknown>>,
  run: Readonly<Record<string, unknown>>,
  evaluation: Readonly<Record<string, unknown>>,
): Evaluation {
  const counts = countsOf(evaluation['counts']);
  const recounted = counts && layersReport(counts);
  const { gini, minMax, maxVio, mutualInformation, mutualInformationBias, evaluatedTokens, tokens, loss, testLoss } = {
    ...numbersOf({ maxVio: recounted?.mean.maxViolation, ...line, tokens: undefined }),
    ...numbersOf(evaluation),
  };
  const step = numberOf(run['steps']) ?? numberOf(line['step']);
  const router = run['router'];
  const held = evaluatedTokens ?? tokens;
  const nats = testLoss ?? loss;
  return {
    worst: {
      ...(recounted && { maxVio: recounted.worst.maxViolation }),
      ...numbersOf(line['worst']),
      ...numbersOf(evaluation['worst']),
    },
    ...(step !== null && { step }),
    ...(typeof router === 'string' && { router }),
    ...(held !== undefined && { tokens: held }),
    ...(nats !== undefined && { loss: nats }),
    ...(gini !== undefined && { gini }),
    ...(minMax !== undefined && { minMax }),
    ...(maxVio !== undefined && { maxVio }),
    ...(mutualInformation !== undefined && { mutualInformation }),
    ...(mutualInformationBias !== undefined && { mutualInformationBias }),
    ...(counts && { counts }),
  };
}

async function isRun(folder: string): Promise<boolean> {
  const there = await Promise.all(
    [METRICS_FILE, LOADS_FILE].map((file) =>
      stat(join(folder, file)).then(
        (entry) => entry.isFile(),
        () => false,
      ),
    ),
  );
  return there.includes(true);
}
