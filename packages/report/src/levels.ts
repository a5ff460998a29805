/**
 * The levels that routers without any structure reach, of runs as they ran: how many experts a token went to is
 * counted, not what a router was set to. Where runs have different levels, each is told apart by what it depends on.
 */
import { type BalanceRanges, type Counts, expertsPerToken, referenceLevels, uniformityTest } from '@lpr/metrics';
import { type Levels, levelsText } from './tables/measures.ts';

/** What levels depend on. */
export interface LevelSize {
  readonly experts: number;
  /** `wholeTopK` */
  readonly topK: number;
  /** Of the window, or of the held-out text. */
  readonly tokens: number;
  /** Width of the latents of the isotropic null. */
  readonly latentDim: number;
  /** That measures are averaged over. */
  readonly layers: number;
}

/** Both levels, as the mean over layers. */
export interface RunLevels {
  readonly size: LevelSize;
  readonly samplingFloor: BalanceRanges;
  readonly isotropicNull: BalanceRanges;
}

/** Gives the levels of a size; undefined while they are simulated elsewhere. */
export type LevelSource = (size: LevelSize) => RunLevels | undefined;

/** Width of the latents where nothing says another one: the paper's. */
export const LATENT_DIM = 16;

/** What is counted of a window. */
export interface RoutedWindow {
  readonly experts: number;
  readonly layers: number;
  readonly tokens: number;
  /** That they really went to, a layer. */
  readonly expertsPerToken: number;
}

export function routedWindow(counts: readonly Counts[], tokens: number): RoutedWindow {
  return {
    experts: counts[0]?.length ?? 0,
    layers: counts.length,
    tokens,
    expertsPerToken: expertsPerToken(counts, tokens),
  };
}

/** The size of the levels of a window; null where there are no experts or no token reached one. */
export function levelSize(window: RoutedWindow, latentDim: number): LevelSize | null {
  const { experts, layers, tokens, expertsPerToken: ran } = window;
  if (!(experts > 0 && layers > 0 && tokens > 0 && ran > 0)) return null;
  return { experts, topK: wholeTopK(ran, experts), tokens, latentDim, layers };
}

/** The k that levels are simulated for: the nearest whole number to the experts that a token really went to. */
export function wholeTopK(ran: number, experts: number): number {
  return Math.min(experts, Math.max(1, Math.round(ran)));
}

/**
 * The width of the latents for each run's isotropic null: its own, else the one that all other runs have, else the
 * paper's.
 *
 * @param own null for routers without a latent space
 */
export function latentDims(own: readonly (number | null)[]): number[] {
  const known = new Set(own.filter((width) => width !== null));
  const [only = LATENT_DIM] = known;
  return own.map((width) => width ?? (known.size === 1 ? only : LATENT_DIM));
}

/**
 * The probability that uniform routers, of as many experts a token, make loads at least as uneven; null where no token
 * reached an expert.
 *
 * @param countsPerLayer exact counts `[layers][experts]` of so many tokens
 */
export function uniformPValue(countsPerLayer: readonly Counts[], tokens: number): number | null {
  const size = levelSize(routedWindow(countsPerLayer, tokens), LATENT_DIM);
  if (size === null) return null;
  const { pValue } = uniformityTest(countsPerLayer, size.topK);
  return Number.isNaN(pValue) ? null : pValue;
}

/** Simulates both levels, which takes a second for many experts. Plain data. */
export function simulateLevels(size: LevelSize): RunLevels {
  const { samplingFloor, isotropicNull } = referenceLevels(size);
  return { size, samplingFloor: samplingFloor.mean, isotropicNull: isotropicNull.mean };
}

/** Simulates each size once. */
export function simulatedLevels(): LevelSource {
  const known = new Map<string, RunLevels>();
  return (size) => {
    const key = JSON.stringify(size);
    let levels = known.get(key);
    if (levels === undefined) known.set(key, (levels = simulateLevels(size)));
    return levels;
  };
}

/** Levels of something with a name; null where it has none. */
export interface NamedLevels {
  readonly name: string;
  readonly levels: {
    readonly size: Partial<LevelSize>;
    readonly samplingFloor: Levels;
    readonly isotropicNull: Levels;
  } | null;
}

/** A level of some runs. */
export interface Level {
  /** "sampling floor", and what it depends on where there are several: "sampling floor, k 8". */
  readonly name: string;
  readonly ranges: Levels;
  /** Names of the runs that it is of. */
  readonly runs: readonly string[];
  /** Whether all runs that have levels have this one. */
  readonly isCommon: boolean;
}

const KINDS = [
  { kind: 'samplingFloor', name: 'sampling floor', meaning: 'a uniform router' },
  { kind: 'isotropicNull', name: 'isotropic null', meaning: 'random latents and keys' },
] as const;

/** How a level says what it depends on. */
const CAUSES: readonly (readonly [keyof LevelSize, text: (value: number) => string])[] = [
  ['experts', (experts) => `${experts} experts`],
  ['topK', (topK) => `k ${topK}`],
  ['latentDim', (width) => `width ${width}`],
  ['layers', (layers) => (layers === 1 ? '1 layer' : `${layers} layers`)],
  ['tokens', (tokens) => `${tokens.toLocaleString('en')} tokens`],
];

/** The levels of some runs: one of each kind where all share it, else each that differs. */
export function levelsOf(runs: readonly NamedLevels[]): Level[] {
  return KINDS.flatMap(({ kind, name }) => {
    const groups = new Map<string, { size: Partial<LevelSize>; ranges: Levels; runs: string[] }>();
    for (const { name: run, levels } of runs) {
      if (levels === null) continue;
      const key = JSON.stringify(levels[kind]);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { size: levels.size, ranges: levels[kind], runs: [run] });
      else group.runs.push(run);
    }
    const distinct = [...groups.values()];
    const causes = CAUSES.filter(([key]) => new Set(distinct.map(({ size }) => size[key])).size > 1);
    return distinct.map(({ size, ranges, runs: those }): Level => {
      const why = causes.flatMap(([key, text]) => (size[key] === undefined ? [] : [text(size[key])]));
      return { name: [name, ...why].join(', '), ranges, runs: those, isCommon: distinct.length === 1 };
    });
  });
}

/** Of more runs a note says only how many they are. */
const MOST_NAMED = 3;

/** Their names, or of many how many they are. */
export function someRuns(names: readonly string[]): string {
  return names.length > MOST_NAMED ? `${names.length} runs` : names.join(', ');
}

/** A sentence for each level; for those that not all runs share, with the runs that it is of. */
export function levelNotes(levels: readonly Level[]): string[] {
  return levels.map(({ name, ranges, runs, isCommon }) => {
    const { meaning } = KINDS.find((kind) => name.startsWith(kind.name))!;
    const whose = someRuns(runs);
    return `${name} (${meaning}${isCommon ? '' : `; of ${whose}`}): ${levelsText(ranges)}`;
  });
}
