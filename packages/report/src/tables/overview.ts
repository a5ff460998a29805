/** What runs have come to, evaluated or not: the table of a report, and of runs beside each other on a page. */
import type { Usage } from '@lpr/runs/browser';
import { type Level, type NamedLevels, levelsOf } from '../levels.ts';
import { LARGER_NOTE, SIGNIFICANCE, shownExperts } from './comparison.ts';
import { hasNoInformation, informationCell, NO_INFORMATION_NOTE } from './information.ts';
import { balanceCells, balanceColumns, levelCells, type Measures } from './measures.ts';
import { SETTING_ROWS_NOTE, settingDifferences, settingRows } from './setting-rows.ts';
import { type Cell, filledColumns, type Row, type TableRecord, tokensText } from './table.ts';
import { USAGE_KEYS, usageCells, usageColumns } from './usage.ts';

/** A run as an overview shows it; null for what is not known. */
export interface OverviewRun extends NamedLevels {
  /** Name of its folder. */
  readonly folder: string;
  readonly router: string | null;
  readonly seed: number | null;
  readonly step: number | null;
  readonly trainingLoss: number | null;
  readonly tokensPerSecond: number | null;
  readonly heldOut: {
    readonly tokens: number;
    readonly loss: number;
    readonly perplexity: number | null;
    readonly information: number | null;
    readonly pValue: number | null;
    /** What its tokens used of the model; null in runs of earlier versions. */
    readonly usage: Usage | null;
  } | null;
  /** Experts that a token really went to, a layer. */
  readonly expertsPerToken: number | null;
  /** On held-out text where the run was evaluated, else of its newest window. */
  readonly mean: Measures | null;
  readonly worst: Measures | null;
}

/**
 * @param settings of each run the setting that it shares with other seeds, or undefined; with them a row is a setting,
 *   and its numbers are means over the seeds with their 95 % intervals. Left out: a row is a run.
 * @param baseline with settings: the row that the others' differences, in pairs of a seed, are to
 */
export function overviewTable(
  runs: readonly OverviewRun[],
  settings: readonly (string | undefined)[] = [],
  baseline: string | null = null,
): TableRecord {
  const single = runs.map(({ name, folder, heldOut, mean, worst, expertsPerToken, ...run }) => ({
    name,
    ...(folder !== name && { folder }),
    router: run.router,
    text: heldOut === null ? 'training' : 'held-out',
    step: run.step,
    tokens: heldOut?.tokens ?? null,
    testLoss: heldOut?.loss ?? null,
    trainingLoss: run.trainingLoss,
    perplexity: heldOut?.perplexity ?? null,
    topK: shownExperts(expertsPerToken),
    ...usageCells(heldOut?.usage ?? null),
    ...balanceCells(mean, worst),
    pValue: heldOut?.pValue ?? null,
    information: informationCell(heldOut?.information ?? null),
    speed: run.tokensPerSecond,
  }));
  const isBySeed = settings.some((setting) => setting !== undefined);
  const rows = isBySeed ? settingRows(single, settings) : single;
  const levels = levelsOf(runs);
  const seeds = runs.map(({ seed }) => seed);
  const differences = isBySeed && baseline !== null ? settingDifferences(single, settings, seeds, baseline) : [];
  const columns = [
    { key: 'name', title: isBySeed ? 'setting' : 'run' },
    { key: 'seeds', title: 'seeds', format: 'plain' as const },
    { key: 'router', title: 'router' },
    ...(isMixed(runs) ? [{ key: 'text', title: 'text' }] : []),
    { key: 'topK', title: 'k', format: 'plain' as const },
    ...usageColumns(),
    { key: 'testLoss', title: 'test loss', decimals: 4 },
    ...balanceColumns('short'),
    { key: 'pValue', title: 'p', format: 'probability' as const },
    { key: 'information', title: 'I(expert; token)', decimals: 3 },
    { key: 'perplexity', title: 'perplexity', decimals: 2 },
    { key: 'tokens', title: 'held-out tokens', decimals: 0 },
    { key: 'trainingLoss', title: 'training loss', decimals: 4 },
    { key: 'step', title: 'step', decimals: 0 },
    { key: 'speed', title: 'tokens/s', decimals: 0 },
    { key: 'folder', title: 'folder' },
  ];
  const optional = [
    ...['seeds', 'folder'],
    ...USAGE_KEYS,
    ...['tokens', 'trainingLoss', 'perplexity', 'pValue', 'information', 'speed'],
  ];
  return {
    title: isBySeed ? titleOf(runs).replace(/^Runs/, 'Settings') : titleOf(runs),
    columns: filledColumns(columns, optional, rows),
    rows,
    below: [
      { rows: levels.map((level: Level): Row => ({ name: level.name, ...levelCells(level.ranges) })) },
      { heading: `Less ${baseline}, in pairs of a seed`, rows: differences },
    ],
    notes: [
      ...(isBySeed ? [SETTING_ROWS_NOTE] : []),
      ...(differences.some((row) => Object.values(row).some(isMarked)) ? [LARGER_NOTE] : []),
      ...notesOf(runs, levels),
    ],
  };
}

function isMarked(cell: Cell): boolean {
  return typeof cell === 'object' && cell !== null && 'mark' in cell;
}

/** Whether some runs are on held-out text and some in training. */
function isMixed(runs: readonly OverviewRun[]): boolean {
  return new Set(runs.map(({ heldOut }) => heldOut === null)).size > 1;
}

/** "Runs on 8,192 held-out tokens" */
function titleOf(runs: readonly OverviewRun[]): string {
  if (runs.every(({ heldOut }) => heldOut === null)) return 'Runs in training';
  if (isMixed(runs)) return 'Runs, on held-out text or in training';
  return `Runs on ${tokensText(runs.map(({ heldOut }) => heldOut!.tokens))}`;
}

function notesOf(runs: readonly OverviewRun[], levels: readonly Level[]): string[] {
  const notes = ['k is how many experts a token went to. Balance is the mean over layers (worst layer).'];
  if (runs.some(({ heldOut }) => heldOut === null)) {
    notes.push('Of runs that were not evaluated yet it is that of the newest window of training.');
  }
  if (runs.some(({ heldOut }) => typeof heldOut?.pValue === 'number')) {
    notes.push(
      `p is the probability that uniform routers make loads at least as uneven: below ${SIGNIFICANCE} the load differs from a uniform router's.`,
    );
  }
  if (runs.some(({ heldOut }) => typeof heldOut?.information === 'number')) {
    notes.push('I(expert; token) is in nats, less its bias.');
  }
  if (runs.some(({ heldOut }) => hasNoInformation(heldOut?.information))) notes.push(NO_INFORMATION_NOTE);
  if (levels.length > 0) {
    notes.push('A uniform router reaches the sampling floor (95 % range); random latents and keys the isotropic null.');
  }
  return notes;
}
