/** Runs side by side on held-out text, beside the levels that they are to be read against and what a paper reports. */
import type { Usage } from '@lpr/runs/browser';
import { type NamedLevels, levelsOf } from '../levels.ts';
import { balanceCells, balanceColumns, levelCells, type Measures, shownMeasures } from './measures.ts';
import { filledColumns, formatMeasure, formatNumber, type Row, type TableRecord } from './table.ts';
import { otherCosts, SAME_COST, USAGE_KEYS, usageCells, usageColumns } from './usage.ts';

/** A run as a comparison shows it. */
export interface ComparedRun extends NamedLevels {
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
  /** That uniform routers make loads at least as uneven; null where it is not known. */
  readonly pValue: number | null;
}

/** What a paper reports of a model. */
export interface PublishedRow {
  readonly title: string;
  readonly testLoss: number | null;
  readonly measures: Measures;
}

/** A load with a smaller probability under uniform routers is marked. */
export const SIGNIFICANCE = 0.01;

/**
 * The first run is the one that the costs of others are compared with. Steps and costs of the training stand there
 * where runs have different numbers of steps.
 *
 * @param published rows of a paper that correspond to the runs, below a line that says what they are
 */
export function comparisonTable(
  runs: readonly ComparedRun[],
  published: { readonly heading: string; readonly rows: readonly PublishedRow[] },
): TableRecord {
  const marked = runs.map(({ pValue }) => pValue !== null && pValue < SIGNIFICANCE);
  const tokens = new Set(runs.map(({ evaluatedTokens }) => evaluatedTokens));
  const ownSteps = new Set(runs.map(({ steps }) => steps)).size > 1;
  const costly = otherCosts(runs.map(({ usage }) => usage?.flopsPerToken ?? null));
  const rows = runs.map(
    (run, i): Row => ({
      name: [run.name, ...(marked[i] ? ['*'] : []), ...(costly[i] ? ['†'] : [])].join(' '),
      topK: shownExperts(run.expertsPerToken),
      ...usageCells(run.usage),
      ...(ownSteps && { steps: run.steps, trainingFlops: run.trainingFlops }),
      ...(tokens.size > 1 && { tokens: run.evaluatedTokens }),
      testLoss: run.testLoss,
      ...balanceCells(run.mean, run.worst),
      information: run.information,
      speed: run.tokensPerSecond,
    }),
  );
  const levels = levelsOf(runs).map((level): Row => ({ name: level.name, ...levelCells(level.ranges) }));
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
    title: `${tokens.size === 1 ? `${formatNumber(only!, 0)} held-out tokens` : 'Held-out text'}; k is what ran; balance is the mean over layers (worst layer), of levels (95 % range)${rows.some(({ information }) => information !== null) ? '; MI is I(expert; token) in nats, less its bias' : ''}`,
    columns: filledColumns(columns, optional, rows),
    rows,
    below: [{ rows: levels }, { heading: published.heading, rows: papers }],
    notes: [
      ...(marked.includes(true)
        ? [
            `* The load differs from that of a uniform router: chi-square test over all layers, p < ${SIGNIFICANCE}. Tokens of a text resemble each other, so it may differ and yet be even enough.`,
          ]
        : []),
      ...costNotes(runs, costly, ownSteps),
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
