/**
 * The folder of several runs, of a sweep or a comparison: `sweep.yaml` (of earlier versions: `comparison.yaml`) has the
 * settings of each run by the name of its folder, and the tables that their results are set into; `summary.json` is
 * there once all runs are finished.
 *
 * Runs that differ in their seed alone are of one setting. A setting of one run has its name; of several, the run of
 * seed 2 is called as the setting with "-2" behind.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { named, readText } from '@lpr/guard';
import type { BalanceRanges } from '@lpr/metrics';
import { stringify } from 'yaml';
import { z } from 'zod';
import { balanceSchema } from './balance.ts';
import { usageSchema } from './evaluation-line.ts';
import { hasCode, writeWhole } from './files.ts';
import { makeEmptyFolder } from './folders.ts';
import { MAX_SMALL_FILE_BYTES } from './run-files.ts';
import { parseYaml } from './yaml.ts';
import { lockFolder } from './lock.ts';
import { RUN_FILES, SWEEP_FILES } from './names.ts';
import { UNSEEN } from './note.ts';
import { countSchema, issueText, measureSchema, type ReadonlyDeep } from './plain.ts';

const comparisonSchema = z.strictObject({
  /** The settings of each run: the trainer's, not checked here. */
  runs: z.record(z.string(), z.unknown()).refine((runs) => Object.keys(runs).length > 0, 'names no runs'),
  /** The name of the setting that the others are compared with; left out where tables have their own, or none has. */
  baseline: z.string().optional(),
  /**
   * Of each table and formulation the name of the setting of each row; none: the settings are set beside each other.
   * Earlier versions had one formulation, which they did not name.
   */
  tables: z
    .record(
      z.string(),
      z.union([z.record(z.string(), z.array(z.string())), z.array(z.string()).transform((rows) => ({ '': rows }))]),
    )
    .default({}),
});

/** What `sweep.yaml` holds. */
export type StoredComparison = ReadonlyDeep<z.infer<typeof comparisonSchema>>;

/** Of every measure, by its name. */
const rangesSchema = z.record(
  z.string(),
  z.strictObject({ mean: z.number(), low: z.number(), high: z.number() }),
) as unknown as z.ZodType<BalanceRanges>;

const levelsSchema = z.strictObject({
  /** What they were simulated for. */
  size: z.strictObject({
    experts: countSchema,
    topK: countSchema,
    tokens: countSchema,
    latentDim: countSchema,
    layers: countSchema,
  }),
  samplingFloor: rangesSchema,
  isotropicNull: rangesSchema,
});

const estimatesSchema = z.record(
  z.string(),
  z.strictObject({
    mean: z.number(),
    /** Half the width of the 95 % interval; null where there is none. */
    error: z.number().nullable(),
  }),
);

/** What the runs of a setting say of it, by `testLoss`, `information` (less its bias) and each measure of balance. */
const settingSchema = z.strictObject({
  name: z.string(),
  /** Names of its runs, by their seeds. */
  runs: z.array(z.string()),
  seeds: z.array(countSchema),
  /** What errors are of: the mean over seeds, or, with one seed, a bootstrap over blocks of the text. */
  errorsOf: z.enum(['seeds', 'blocks']).nullable(),
  estimates: estimatesSchema,
  /** How much more it has than a baseline, by the baseline's name, in pairs of a seed or a block. */
  differences: z.record(z.string(), estimatesSchema),
});

const summarySchema = z.strictObject({
  /** None where an earlier version wrote it. */
  settings: z.array(settingSchema).default([]),
  models: z.array(
    z.strictObject({
      /** Of the run. */
      name: z.string(),
      router: z.string(),
      architecture: z.string(),
      seed: z.number(),
      steps: countSchema,
      /** Trained on. */
      tokens: countSchema,
      /** Of a layer; 0 for a model without. */
      experts: countSchema,
      /** Experts that a held-out token really went to, a layer, whatever k the router was set to. */
      expertsPerToken: measureSchema,
      /** Where it was last worked on; null where the run does not say. */
      device: z.string().nullable(),
      threads: countSchema.nullable(),
      /** In training, over all logging windows. */
      tokensPerSecond: z.number().nullable(),
      /** Shares of the training time by part of the model, and idle; empty where the device does not time itself. */
      stepTimeShares: z.record(z.string(), z.number()),
      evaluationTokens: countSchema,
      testLoss: z.number(),
      /** On held-out text; left out where the run is of an earlier version. */
      usage: usageSchema.optional(),
      /** Floating-point operations of the whole training, by where its tokens went; null where loads are missing. */
      trainingFlops: measureSchema.optional(),
      /** On held-out text; null for a model without experts. */
      balance: balanceSchema.nullable(),
      /** The probability that uniform routers make loads at least as uneven. */
      pValue: measureSchema,
      mutualInformation: measureSchema,
      mutualInformationBias: measureSchema,
      /**
       * What its held-out load costs ranks that own experts and experts of few places; left out in runs of earlier
       * versions.
       */
      placement: z.record(z.string(), z.number()).optional(),
      /** What routers without any structure reach at as many tokens, as the mean over as many layers. */
      levels: levelsSchema.nullable(),
    }),
  ),
});

/** What `summary.json` holds. */
export type Summary = ReadonlyDeep<z.infer<typeof summarySchema>>;

/**
 * Makes the folder of a comparison.
 *
 * @throws Error when something is there already, or `runNamesFault` finds one
 */
export async function createComparison(folder: string, { runs, baseline, tables }: StoredComparison): Promise<void> {
  const fault = runNamesFault(Object.keys(runs));
  if (fault !== null) throw new Error(fault);
  await makeEmptyFolder(folder);
  const unlock = await lockFolder(folder);
  const content = {
    ...(baseline !== undefined && { baseline }),
    ...(Object.keys(tables).length > 0 && { tables }),
    runs,
  };
  await writeWhole(join(folder, SWEEP_FILES.sweep), stringify(content, { aliasDuplicateObjects: false }));
  await unlock();
}

/** The file of a folder that names its runs, by today's name or that of earlier versions. */
export function sweepFile(folder: string): string {
  const [now, earlier] = [SWEEP_FILES.sweep, SWEEP_FILES.earlier].map((name) => join(folder, name)) as [string, string];
  return !existsSync(now) && existsSync(earlier) ? earlier : now;
}

/**
 * The comparison in a folder; null when it holds none.
 *
 * @throws Error when its file is damaged, names a run that could lie elsewhere, or has a table of other runs
 */
export async function readComparison(folder: string): Promise<StoredComparison | null> {
  const path = sweepFile(folder);
  let content: unknown;
  try {
    content = parseYaml(await readText(path, MAX_SMALL_FILE_BYTES));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return null;
    throw new Error(`${path} cannot be read: ${String(error)}`, { cause: error });
  }
  const parsed = comparisonSchema.safeParse(content);
  if (!parsed.success) throw new Error(`${path} is damaged: ${issueText(parsed.error)}`);
  const { runs, baseline, tables } = parsed.data;
  const names = Object.keys(runs);
  for (const name of names) {
    const fault = runNameFault(name);
    if (fault !== null) throw new Error(`${path}: ${fault}`);
  }
  const isKnown = (setting: string): boolean =>
    names.some(
      (name) => name === setting || (name.startsWith(`${setting}-`) && /^\d+$/.test(name.slice(setting.length + 1))),
    );
  for (const [table, rows] of Object.entries(tables)) {
    const unknown = Object.values(rows)
      .flat()
      .find((name) => !isKnown(name));
    if (unknown !== undefined)
      throw new Error(`${path} is damaged: table ${table} names a run ${unknown} that is not there`);
  }
  if (baseline !== undefined && !isKnown(baseline)) {
    throw new Error(`${path} is damaged: the baseline is ${baseline}, which names no run`);
  }
  return parsed.data;
}

/** What the run of a seed is called among the runs of a setting that has several. */
export function seedName(setting: string, seed: number): string {
  return `${setting}-${seed}`;
}

/** The name of the setting of a run: without the seed, where that stands behind and is no exponent, as in "lr=1e-7". */
export function settingName(run: string, seed: number): string {
  const ending = seedName('', seed);
  const setting = run.slice(0, -ending.length);
  return run.endsWith(ending) && !/(?:^|=)[+-]?[\d.]+e$/i.test(setting) ? setting : run;
}

/** The names of a comparison's own files, and of a run that would be in their way. */
const TAKEN: readonly string[] = [...Object.values(SWEEP_FILES), RUN_FILES.lock, RUN_FILES.takeover];

/** A folder's name may have 255 bytes; files are called by it and more. */
const LONGEST_NAME = 200;

/**
 * What is wrong with the names of runs that are to be made, which are those of folders beside the comparison's files;
 * null where nothing is.
 */
export function runNamesFault(names: readonly string[]): string | null {
  const known = new Map<string, string>();
  for (const name of names) {
    const fault = runNameFault(name);
    if (fault !== null) return fault;
    const bytes = Buffer.byteLength(name);
    if (bytes > LONGEST_NAME) {
      const start = JSON.stringify(`${Array.from(name).slice(0, 20).join('')}...`);
      return `a run is called ${start}, ${bytes} bytes in UTF-8, but a name has at most ${LONGEST_NAME}: shorten it`;
    }
    // Some file systems tell neither capitals apart nor how a letter with an accent is written.
    const key = name.normalize('NFC').toLowerCase().normalize('NFC');
    const other = known.get(key);
    if (other !== undefined) {
      return (
        `the runs ${JSON.stringify(other)} and ${JSON.stringify(name)} have one folder where a file system ` +
        'does not tell capitals apart, or how accents are written: rename one'
      );
    }
    known.set(key, name);
  }
  return null;
}

/** What is wrong with the name of a run, be it of an earlier version; null where nothing is. */
function runNameFault(name: string): string | null {
  const isFit = name !== '' && !name.startsWith('.') && !/[/\\]/.test(name) && !UNSEEN.test(name);
  if (isFit && !TAKEN.includes(name)) return null;
  // JSON has some control characters as they are.
  const shown = Array.from(JSON.stringify(name), (character) =>
    UNSEEN.test(character) ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}` : character,
  );
  return (
    `a run is called ${shown.join('')}, but its name is that of its folder beside ${SWEEP_FILES.sweep}: rename it to ` +
    'letters, digits and the like, without a slash or control characters, and without a dot in front'
  );
}

/** Writes the summary: last of all, so that a folder with one is a finished comparison. */
export async function writeSummary(folder: string, summary: Summary): Promise<void> {
  await writeWhole(join(folder, SWEEP_FILES.summary), `${JSON.stringify(summary, null, 2)}\n`);
}

/** The summary of a comparison that is finished. @throws Error when there is none, or it is damaged */
export async function readSummary(folder: string): Promise<Summary> {
  const path = join(folder, SWEEP_FILES.summary);
  const fail = (what: string): Error => new Error(`${path} is damaged: ${what}`);
  const text = await named(path, readText(path, MAX_SMALL_FILE_BYTES));
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fail(String(error));
  }
  const parsed = summarySchema.safeParse(json);
  if (!parsed.success) throw fail(issueText(parsed.error));
  return parsed.data;
}
