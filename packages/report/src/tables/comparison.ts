/** Runs side by side on held-out text, beside the levels that they are to be read against and what a paper reports. */
import { type BalanceKey, type Estimate, exceedsError } from '@lpr/metrics';
import type { Usage } from '@lpr/runs/browser';
import { type NamedLevels, levelsOf } from '../levels.ts';
import { hasNoInformation, informationCell, NO_INFORMATION_NOTE } from './information.ts';
import { shortPath } from '../names.ts';
import { balanceCells, balanceColumns, levelCells, measuredCell, type Measures, shownMeasures } from './measures.ts';
import { type Cell, filledColumns, formatMeasure, formatNumber, type Row, type TableRecord } from './table.ts';
import { otherCosts, SAME_COST, USAGE_KEYS, usageCells, usageColumns } from './usage.ts';

/** A run as a comparison shows it. */
export interface ComparedRun extends NamedLevels {
  /** Its settings by their paths, where some have a column. */
  readonly settings?: Readonly<Record<string, string | number | boolean | null>>;
  /** That a held-out token really went to, a layer. */
  readonly expertsPerToken: number | null;
  /** What held-out tokens used of the model; null where it is not known. */
  readonly usage: Usage | null;
  readonly steps: number;
  /** Floating-point operations of the whole training, as it ran; null where they are not known. */
  readonly trainingFlops: number | null;
  readonly evaluatedTokens: number;
  readonly testLoss: number;
  /** Mean over layers, and the worst layer; null for a model without experts. */
  readonly mean: Measures | null;
  readonly worst: Measures | null;
  /** I(expert; token) in nats, less its bias. */
  readonly information: number | null;
  readonly tokensPerSecond: number | null;
  /** That uniform routers make loads at least as uneven; null where it is not known. Of several seeds the largest. */
  readonly pValue: number | null;
  /** With several, its numbers are means over them. */
  readonly seeds: readonly number[];
  /** Half the widths of 95 % intervals: of what. */
  readonly errorsOf: ErrorsOf;
  readonly errors: Errors;
  /** How much more it has than the baseline; null for the baseline itself, and where there is none. */
  readonly differences: Differences | null;
}

/** The mean over seeds, or, of one seed, a bootstrap over blocks of the text; null where there are none. */
export type ErrorsOf = 'seeds' | 'blocks' | null;

type Compared = 'testLoss' | 'information' | BalanceKey;

/** By what they are of; null or left out where there is none. */
export type Errors = { readonly [Key in Compared]?: number | null };
export type Differences = { readonly [Key in Compared]?: Estimate };

/** What a paper reports of a model. */
export interface PublishedRow {
  readonly title: string;
  readonly testLoss: number | null;
  readonly measures: Measures;
}

/** Behind differences that are larger than their errors. */
const LARGER = '§';

export const LARGER_NOTE: string = `${LARGER} The difference is larger than its error, as one in twenty is between runs that do not differ.`;

/** A load with a smaller probability under uniform routers is marked. */
export const SIGNIFICANCE = 0.01;

/** What errors behind `±` are of, a sentence each; and that one seed alone has none. */
export function errorNotes(runs: readonly Pick<ComparedRun, 'errorsOf'>[]): string[] {
  const kinds = new Set(runs.map(({ errorsOf }) => errorsOf));
  return [
    ...(kinds.has('seeds') ? ["± is the 95 % interval of the mean over seeds (Student's t)."] : []),
    ...(kinds.has('blocks')
      ? [
          `${kinds.has('seeds') ? 'Of one seed, ' : ''}± is the 95 % interval of a bootstrap over blocks of the held-out text: it does not contain the variation between seeds. MI has none.`,
        ]
      : []),
    ...(kinds.has(null)
      ? ['A row of one seed has no interval: how far another seed would be from it is not known.']
      : []),
  ];
}

/**
 * The first run is the one that the costs of others are compared with. Steps and costs of the training stand there
 * where runs have different numbers of steps.
 *
 * @param published rows of a paper that correspond to the runs, below a line that says what they are
 * @param baseline what differences are to
 * @param settings paths of those that have a column of their own
 */
export function comparisonTable(
  runs: readonly ComparedRun[],
  published: { readonly heading: string; readonly rows: readonly PublishedRow[] },
  baseline: string | null = null,
  settings: readonly string[] = [],
): TableRecord {
  const marked = runs.map(({ pValue }) => pValue !== null && pValue < SIGNIFICANCE);
  const tokens = new Set(runs.map(({ evaluatedTokens }) => evaluatedTokens));
  const ownSteps = new Set(runs.map(({ steps }) => steps)).size > 1;
  const costly = otherCosts(runs.map(({ usage }) => usage?.flopsPerToken ?? null));
  const rows = runs.map(
    (run, i): Row => ({
      name: [run.name, ...(marked[i] ? ['*'] : []), ...(costly[i] ? ['†'] : [])].join(' '),
      ...Object.fromEntries(settings.map((path) => [`setting ${path}`, settingCell(run.settings?.[path])])),
      topK: shownExperts(run.expertsPerToken),
      ...usageCells(run.usage),
      ...(ownSteps && { steps: run.steps, trainingFlops: run.trainingFlops }),
      ...(tokens.size > 1 && { tokens: run.evaluatedTokens }),
      testLoss: measuredCell(run.testLoss, run.errors.testLoss),
      ...balanceCells(run.mean, run.worst, run.errors),
      information: informationCell(run.information, run.errors.information),
      speed: run.tokensPerSecond,
    }),
  );
  const levels = levelsOf(runs).map((level): Row => ({ name: level.name, ...levelCells(level.ranges) }));
  const differences = runs.flatMap(({ name, differences: own }): Row[] =>
    own === null ? [] : [{ name, ...differenceCells(own) }],
  );
  const papers = published.rows.map(
    ({ title, testLoss, measures }): Row => ({
      name: title,
      testLoss: formatMeasure(testLoss),
      ...measuredCells(measures),
    }),
  );
  const [only] = tokens;
  const columns = [
    { key: 'name', title: '' },
    ...settings.map((path) => {
      return { key: `setting ${path}`, title: shortPath(path, settings), meaning: path, format: 'plain' as const };
    }),
    { key: 'topK', title: 'k', format: 'plain' as const },
    ...usageColumns(),
    { key: 'steps', title: 'steps', decimals: 0 },
    { key: 'trainingFlops', title: 'training FLOP', format: 'short' as const },
    { key: 'tokens', title: 'tokens', decimals: 0 },
    { key: 'testLoss', title: 'test loss', format: 'measure' as const, decimals: 4 },
    ...balanceColumns('short'),
    { key: 'information', title: 'MI', decimals: 3 },
    { key: 'speed', title: 'tokens/s', decimals: 0 },
  ];
  const optional = [
    ...USAGE_KEYS,
    'steps',
    'trainingFlops',
    'tokens',
    'information',
    'speed',
    ...shownMeasures('short').map(({ key }) => key),
  ];
  return {
    title: `${tokens.size === 1 ? `${formatNumber(only!, 0)} held-out tokens` : 'Held-out text'}; k is what ran${seedsText(runs)}; balance is the mean over layers (worst layer), of levels (95 % range)${rows.some(({ information }) => information !== null) ? '; MI is I(expert; token) in nats, less its bias' : ''}`,
    columns: filledColumns(columns, optional, rows),
    rows,
    below: [
      { rows: levels },
      { heading: `Less ${baseline}, ${pairsText(runs)}`, rows: differences },
      { heading: published.heading, rows: papers },
    ],
    notes: [
      ...errorNotes(runs),
      ...(runs.some(({ differences: own }) => own !== null && Object.values(own).some(exceedsError))
        ? [LARGER_NOTE]
        : []),
      ...(marked.includes(true)
        ? [
            `* The load differs from that of a uniform router: chi-square test over all layers, p < ${SIGNIFICANCE}. Tokens of a text resemble each other, so it may differ and yet be even enough.`,
          ]
        : []),
      ...costNotes(runs, costly, ownSteps),
      ...(runs.some(({ information }) => hasNoInformation(information)) ? [NO_INFORMATION_NOTE] : []),
    ],
  };
}

function costNotes(runs: readonly ComparedRun[], costly: readonly (string | null)[], ownSteps: boolean): string[] {
  const first = runs[0]?.name;
  const limit = `${100 * SAME_COST} %`;
  const listed = (costs: readonly (string | null)[]): string =>
    runs.flatMap(({ name }, i) => (costs[i] ? [`${name} ${costs[i]}`] : [])).join('; ');
  const notes: string[] = [];
  if (costly.some((cost) => cost !== null)) {
    notes.push(
      `† FLOPs per token differ from those of ${first} by more than ${limit}: ${listed(costly)}. ` +
        'Such a method is not compared at equal cost.',
    );
  }
  if (ownSteps) {
    const trained = otherCosts(runs.map(({ trainingFlops }) => trainingFlops));
    notes.push(
      trained.every((cost) => cost === null)
        ? `All trainings took as many FLOPs as that of ${first}, up to ${limit}.`
        : `FLOPs of the whole training, as it ran, differ from those of ${first} by more than ${limit}: ${listed(trained)}.`,
    );
  }
  return notes;
}

function settingCell(value: string | number | boolean | null | undefined): string {
  return value === undefined ? '' : String(value);
}

function pairsText(runs: readonly ComparedRun[]): string {
  return runs.some(({ errorsOf }) => errorsOf === 'seeds') ? 'in pairs of a seed' : 'on the same text';
}

/** What the columns of a comparison show of differences. */
function differenceCells(differences: Differences): Row {
  return Object.fromEntries(Object.entries(differences).map(([key, difference]) => [key, differenceCell(difference)]));
}

/** A difference, with a mark where it is larger than its error. */
export function differenceCell(difference: Estimate): Cell {
  const { mean: value, error } = difference;
  return { value, error, isDifference: true, ...(exceedsError(difference) && { mark: LARGER }) };
}

/** "3 seeds (0, 1, 2)", where all runs have those; nothing where each run is of one seed. */
function seedsText(runs: readonly ComparedRun[]): string {
  if (runs.every(({ seeds }) => seeds.length <= 1)) return '';
  const [first, ...others] = new Set(runs.map(({ seeds }) => seeds.join(', ')));
  const count = runs[0]?.seeds.length ?? 0;
  return others.length > 0 ? '; means over seeds' : `; means over ${count} seeds (${first})`;
}

/** Experts of a token with at most two decimals; null where there are none. */
export function shownExperts(expertsPerToken: number | null): number | null {
  return expertsPerToken === null || Number.isNaN(expertsPerToken) ? null : Number(expertsPerToken.toFixed(2));
}

/** Of a paper: what it does not report stays empty. */
function measuredCells(measures: Measures): Row {
  return Object.fromEntries(
    Object.entries(measures).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}
