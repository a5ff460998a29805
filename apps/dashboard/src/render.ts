/** Draws all figures that runs have the data for, as PNG files and as one page that needs nothing else. */
import { join } from 'node:path';
import { loadTokenizer } from '@lpr/data';
import { decodeSafetensors } from '@lpr/model/safetensors';
import {
  differencesTable,
  entriesOf,
  type Figure,
  FIGURES,
  type LookChoice,
  namedRun,
  type Need,
  overviewRuns,
  overviewTable,
  partsOf,
  type RunParts,
  runNames,
  settingEntries,
  settingNames,
  settingsTable,
  simulatedLevels,
  STRIP_TOKENS,
  withLooks,
} from '@lpr/report';
import { FIGURES_FOLDER, picturesOf, pngOf, svgOf, writePicture } from '@lpr/report/node';
import type { ThemeName } from '@lpr/charts';
import {
  messageOf,
  type Part,
  readLatents,
  readSimilarity,
  readTraces,
  type Run,
  RUN_FILES,
  type Summary,
  type Traces,
  writeWhole,
} from '@lpr/runs';
import { reportPage } from './report.ts';
import { reportScript } from './server/page-files.ts';

export interface RenderOptions {
  /** Folder for `figures/` and `report.html`; made where it is missing. */
  readonly out: string;
  /** Windows at the end of the run that figures of load in training add up. */
  readonly windows: number;
  /** Width of the latent space for the isotropic null. Default: each run's own, else that of the others, else 16. */
  readonly latentDim?: number;
  /** What the PNG files are drawn for; the report follows its reader. Default 'light'. */
  readonly theme?: ThemeName;
  /** Names of the figures to draw, without a report. Default: all, with one. */
  readonly only?: readonly string[];
  /** Path of the setting that colours stand for, such as "router". Default: what tells the runs apart. */
  readonly colourBy?: string;
  /** What is to have a colour: values of that setting, else names of settings or runs. Default: the first ones. */
  readonly highlight?: readonly string[];
  /** What the runs of each setting have come to together, where they are those of sweeps or comparisons. */
  readonly settings?: Summary['settings'];
  /** Whether there is an SVG beside each PNG. */
  readonly svg?: boolean;
  /** Is told of every picture that is done. */
  readonly onDrawn?: (name: string, done: number, of: number) => void;
}

/** What was drawn, and what could not be. */
export interface Rendered {
  /** Paths of the pictures, and of the report. */
  readonly written: readonly string[];
  /** One sentence for each figure, or run in a figure, that is missing. */
  readonly skipped: readonly string[];
}

/**
 * Draws what the runs allow and writes it to `out`, each file under a temporary name first.
 *
 * @throws Error where nothing can be drawn; RangeError for a name in `only` that is no figure's.
 */
export async function renderRuns(runs: readonly Run[], options: RenderOptions): Promise<Rendered> {
  const { out, only, theme = 'light', windows, latentDim } = options;
  const figures = chosenFigures(only);
  const told = toldApart(runs);
  const names = told.map(({ name }) => name);
  // Before anything is read, which takes its time.
  const looks = looksOf(told, options);
  const needs = new Set(figures.flatMap((figure) => figure.needs));
  const parts = withLooks(await readParts(runs, told, needs), looks);
  const context = { levels: simulatedLevels(), windows, ...(latentDim !== undefined && { latentDim }) };
  const { pictures, missing } = picturesOf(figures, parts, context);
  const skipped = [
    ...runs.flatMap(({ problems }, i) => problems.map((problem) => `${names[i]}: ${problem}`)),
    ...missing,
  ];
  const written: (string | null)[] = pictures.map(() => null);
  let done = 0;
  await inParallel(pictures, async ({ figure, name, picture }, i) => {
    try {
      const png = await pngOf(picture, theme);
      written[i] = await writePicture(join(out, FIGURES_FOLDER), name, png);
      if (options.svg === true) await writePicture(join(out, FIGURES_FOLDER), name, await svgOf(picture, theme));
    } catch (error) {
      const { label } = picture.record.of;
      skipped.push(`not in ${figure.name}: ${label === undefined ? '' : `${label}: `}${messageOf(error)}`);
    }
    options.onDrawn?.(name, ++done, pictures.length);
  });
  const files = written.filter((path) => path !== null);
  if (files.length === 0) throw new Error(`nothing to draw:\n${skipped.join('\n')}`);
  if (only === undefined) {
    const path = join(out, 'report.html');
    const folders = runs.map(({ name }) => name);
    const differences = differencesTable(told);
    const rows = overviewRuns(parts, folders, context);
    const shared = told.map(({ setting }) => setting);
    const overviews = [
      ...(shared.some((setting) => setting !== undefined) ? [overviewTable(rows, shared)] : []),
      overviewTable(rows),
    ];
    const settings = settingsTable({ settings: options.settings ?? [] });
    const report = {
      title: runs.length === 1 ? names[0]! : `${runs.length} runs`,
      tables: [...overviews, settings, differences].filter((table) => table !== null),
      figures: pictures.filter((_, i) => written[i] !== null),
      skipped,
      script: await reportScript(),
    };
    await writeWhole(path, reportPage(report));
    files.push(path);
  }
  return { written: files, skipped };
}

/** Pictures that are under way at one time: while one is compressed the next one is drawn. */
const AT_ONCE = 4;

async function inParallel<T>(all: readonly T[], each: (one: T, index: number) => Promise<void>): Promise<void> {
  const waiting = all.entries();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      // Each takes the next one that is left.
      for (const [i, one] of waiting) await each(one, i);
    }),
  );
}

/** What a run is told from the others by. */
interface ToldRun {
  readonly name: string;
  /** That it shares with its seeds; undefined where it is alone. */
  readonly setting: string | undefined;
  readonly settings: ReadonlyMap<string, string>;
}

function toldApart(runs: readonly Run[]): ToldRun[] {
  const named = runs.map(namedRun);
  const [names, shared] = [runNames(named), settingNames(named)];
  return named.map(({ settings }, i) => ({ name: names[i]!, setting: shared[i], settings }));
}

/** @throws RangeError for a setting that no run has, or a name to highlight that there is not */
function looksOf(runs: readonly ToldRun[], { colourBy, highlight: chosen }: RenderOptions): LookChoice {
  const settings = runs.map((run) => run.settings);
  if (colourBy !== undefined && !settings.some((own) => own.has(colourBy))) {
    const paths = Array.from(new Set(settings.flatMap((own) => [...own.keys()])));
    throw new RangeError(`no run has a setting "${colourBy}" to colour by; there are ${paths.join(', ')}`);
  }
  const entries = colourBy === undefined ? undefined : settingEntries(settings, colourBy);
  const known = new Set(entriesOf(runs, entries));
  const unknown = chosen?.find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new RangeError(`there is nothing named "${unknown}" to highlight; there are ${[...known].join(' | ')}`);
  }
  return { ...(entries && { entries }), ...(chosen && { chosen }) };
}

function chosenFigures(only: readonly string[] | undefined): readonly Figure[] {
  if (only === undefined) return FIGURES;
  const names = FIGURES.map(({ name }) => name);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new RangeError(`there is no figure "${unknown}"; there are ${names.join(', ')}`);
  return FIGURES.filter(({ name }) => only.includes(name));
}

/** The parts of runs, with what the figures need of traces, latents and similarity. */
async function readParts(
  runs: readonly Run[],
  told: readonly ToldRun[],
  needs: ReadonlySet<Need>,
): Promise<RunParts[]> {
  const parts: RunParts[] = [];
  for (const [i, run] of runs.entries()) {
    const traces = needs.has('traces') ? await readTraces(run.files) : undefined;
    const texts = traces !== undefined && needs.has('texts') ? await readTexts(run, traces) : undefined;
    const latents = needs.has('latents') ? await readLatents(run.files, decodeSafetensors) : undefined;
    const similarity = needs.has('similarity') ? await readSimilarity(run.files, decodeSafetensors) : undefined;
    const more = {
      ...(traces && { traces }),
      ...(texts && { texts }),
      ...(latents && { latents }),
      ...(similarity && { similarity }),
    };
    const { name, setting } = told[i]!;
    parts.push({ ...partsOf(run, name, more), ...(setting !== undefined && { setting }) });
  }
  return parts;
}

/** The text of the first tokens of the last trace, from the tokenizer that the run kept. */
async function readTexts({ folder }: Run, traces: Part<Traces>): Promise<Part<readonly string[]>> {
  if (traces.value === undefined) return traces;
  try {
    const tokenizer = await loadTokenizer(join(folder, RUN_FILES.tokenizer));
    const tokenIds = traces.value.last.tokenIds.slice(0, STRIP_TOKENS);
    return { value: Array.from(tokenIds, (id) => tokenizer.decode([id])) };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}
