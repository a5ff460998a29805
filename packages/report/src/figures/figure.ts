/**
 * A figure as a record: plain data that say what it is of, its numbers, the levels to read them against and what must
 * be known of them. A record is made once; pictures, reports and the page draw the same one.
 */
import { type Drawn, type LineView, type ThemeName, withFootnotes, type XAxisKind } from '@lpr/charts';
import {
  latentDims,
  type Level,
  levelNotes,
  levelSize,
  levelsOf,
  type LevelSource,
  type NamedLevels,
  type RoutedWindow,
} from '../levels.ts';
import type { BalanceKey } from '@lpr/metrics';
import { messageOf, type Part } from '@lpr/runs/browser';
import type { RunParts } from '../parts.ts';
import type { DataTable } from '../tables/csv.ts';

export interface FigureRecord<Numbers = unknown> {
  /** The figure's name, such as "load-held-out". */
  readonly kind: string;
  /** What it shows and of what: no two records of one title and the same runs differ. */
  readonly title: string;
  /** How to read it, in one or two sentences. */
  readonly caption: string;
  readonly of: FigureOf;
  /** What the chart draws. */
  readonly numbers: Numbers;
  /** Those that all runs share, drawn beside the numbers. */
  readonly levels: readonly Level[];
  /** What a reader must know to judge the numbers, a sentence each: levels, and what was averaged. */
  readonly notes: readonly string[];
}

export interface FigureOf {
  /** Names of the runs. */
  readonly runs: readonly string[];
  readonly text: 'held-out' | 'training' | 'given';
  /** Of each run, where it is one number. */
  readonly tokens?: number;
  /** The step until which it is, where it is one. */
  readonly step?: number;
  readonly layers?: readonly number[];
  /** What tells it from others of its kind: a run, a measure. */
  readonly label?: string;
}

export interface Style {
  readonly theme: ThemeName;
  /** CSS pixels at most; by itself a figure is as wide as its chart likes. */
  readonly width?: number;
  /** How a figure of lines is looked at. */
  readonly view?: LineView;
}

/** A record with what is to be made of it. */
export interface Picture {
  readonly record: FigureRecord;
  /** What its axis across can be, of a figure of lines that can be looked at in several ways; else none. */
  readonly axes: readonly XAxisKind[];
  /** The figure alone. */
  draw(style: Style): Drawn;
  /** The figure with its title and notes below it: what is taken away as a file. */
  drawWithNotes(style: Style): Drawn;
  /** The numbers, for spreadsheets and programs. */
  table(): DataTable;
}

/** What the records of all figures may depend on. */
export interface FigureContext {
  readonly levels: LevelSource;
  /** Windows at the end of each run whose loads are added up. Default 1. */
  readonly windows?: number;
  /** Width of the latents of the isotropic null. Default: as `latentDims`. */
  readonly latentDim?: number;
}

/** Records, and a sentence for each run that is missing in them. */
export interface Made<Numbers> {
  readonly records: readonly FigureRecord<Numbers>[];
  readonly missing: readonly string[];
}

/** Parts of a run that are read for those figures alone that need them. */
export type Need = 'traces' | 'texts' | 'latents' | 'similarity';

/** One figure: what it is called, how its records are made of runs, which chart draws them. */
export interface Figure {
  /** Of its records, and of its files. */
  readonly name: string;
  /** Above its pictures in a report. */
  readonly heading: string;
  readonly caption: string;
  readonly needs: readonly Need[];
  /**
   * Series that it draws means of where there are many values: its table is to have each of them. "norm." stands for
   * all that begin so.
   */
  readonly series: readonly string[];
  pictures(runs: readonly RunParts[], context: FigureContext): { pictures: Picture[]; missing: readonly string[] };
  /** Of a record of its own kind that was kept. */
  redraw(record: FigureRecord): Picture;
}

/** A figure whose records have these numbers. */
export interface FigureWith<Numbers> extends Figure {
  /** Of a record that was made of anything else than whole runs. */
  picture(record: FigureRecord<Numbers>): Picture;
}

interface Definition<Numbers> {
  readonly name: string;
  readonly heading: string;
  readonly caption: string;
  readonly needs?: readonly Need[];
  readonly series?: readonly string[];
  records(runs: readonly RunParts[], context: FigureContext): Made<Numbers>;
  draw(numbers: Numbers, style: Style, record: FigureRecord<Numbers>): Drawn;
  table(numbers: Numbers): DataTable;
  /** Of a figure of lines: what its axis across can be. */
  axes?(numbers: Numbers): readonly XAxisKind[];
}

/** Puts a figure's records and its chart together. */
export function defineFigure<Numbers>(definition: Definition<Numbers>): FigureWith<Numbers> {
  const { name, heading, caption, needs = [], series = [] } = definition;
  const picture = (record: FigureRecord<Numbers>): Picture => {
    const draw = (style: Style): Drawn => definition.draw(record.numbers, style, record);
    return {
      record,
      axes: definition.axes?.(record.numbers) ?? [],
      draw,
      drawWithNotes: (style) => withFootnotes(draw(style), [headlineOf(record), ...record.notes], style.theme),
      table: () => definition.table(record.numbers),
    };
  };
  return {
    name,
    heading,
    caption,
    needs,
    series,
    picture,
    redraw: (record) => picture(record as FigureRecord<Numbers>),
    pictures(runs, context) {
      const { records, missing } = definition.records(runs, context);
      return { pictures: records.map(picture), missing };
    },
  };
}

/** The title; of one run with its name, which its figure may not say. */
function headlineOf({ title, of: { runs } }: FigureRecord): string {
  return runs.length === 1 ? `${runs[0]}: ${title}` : title;
}

/** What each run gives, and a sentence for each that gives nothing. */
export function collect<T>(
  runs: readonly RunParts[],
  part: (run: RunParts) => Part<T>,
): { found: { run: RunParts; value: T }[]; missing: string[] } {
  const found: { run: RunParts; value: T }[] = [];
  const missing: string[] = [];
  for (const run of runs) {
    const read = attempted(() => part(run));
    if (read.value === undefined) missing.push(`${run.name}: ${'missing' in read ? read.missing : 'nothing there'}`);
    else found.push({ run, value: read.value });
  }
  return { found, missing };
}

/** What `read` gives; of a run whose data are refused the reason, so that they cost no other run its figure. */
function attempted<T>(read: () => Part<T>): Part<T> {
  try {
    return read();
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

/** A record of each run by itself. */
export function perRun<T, Numbers>(
  runs: readonly RunParts[],
  part: (run: RunParts) => Part<T>,
  record: (value: T, run: RunParts) => FigureRecord<Numbers>,
): Made<Numbers> {
  const { found, missing } = collect(runs, (run): Part<FigureRecord<Numbers>> => {
    const read = part(run);
    return 'missing' in read ? read : { value: record(read.value, run) };
  });
  return { records: found.map(({ value }) => value), missing };
}

/** What levels are of. */
export interface Leveled {
  readonly name: string;
  /** null where nothing was routed. */
  readonly window: RoutedWindow | null;
  /** Width of its own latents. */
  readonly latentDim: number | null;
}

/** The levels of runs: as a source gives them. */
export function levelsOfRuns(runs: readonly Leveled[], { levels, latentDim }: FigureContext): NamedLevels[] {
  const widths = latentDims(runs.map((run) => run.latentDim));
  return runs.map(({ name, window }, i) => {
    const size = window === null ? null : levelSize(window, latentDim ?? widths[i]!);
    return { name, levels: (size === null ? undefined : levels(size)) ?? null };
  });
}

/**
 * The levels that runs share, to be drawn, and notes on all.
 *
 * @param only the one measure that the figure is about; all unless given
 */
export function levelsAndNotes(
  runs: readonly Leveled[],
  context: FigureContext,
  only?: BalanceKey,
): { readonly levels: readonly Level[]; readonly notes: readonly string[] } {
  const all = levelsOf(levelsOfRuns(runs, context)).map((level) =>
    only === undefined ? level : { ...level, ranges: { [only]: level.ranges[only] } },
  );
  return { levels: all.filter(({ isCommon }) => isCommon), notes: levelNotes(all) };
}

/** First, middle and last: of many layers those that are drawn. */
export function someLayers(layers: number): number[] {
  return Array.from(new Set([0, Math.floor((layers - 1) / 2), layers - 1]));
}

/** The value that all have; undefined where they differ, or there is none. */
export function common<T>(values: readonly T[]): T | undefined {
  return new Set(values).size === 1 ? values[0] : undefined;
}

/** "layer 3", "layers 0, 2, 5" */
export function layersText(layers: readonly number[]): string {
  return `${layers.length === 1 ? 'layer' : 'layers'} ${layers.join(', ')}`;
}

/** "step 40", "steps 10 to 40": from the first to the last. */
export function stepsText(steps: readonly number[]): string {
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  return first === last ? `step ${whole(last)}` : `steps ${whole(first)} to ${whole(last)}`;
}

/** `12,345` */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** A number for a table; null where it does not exist. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
