/**
 * A table of a paper reproduced: for each formulation our rows with their errors, levels and differences to a baseline,
 * how far they have the paper's order, and the paper's own rows; below it sentences that say what can be told.
 */
import { type Estimate, exceedsError, rankCorrelationOf } from '@lpr/metrics';
import {
  type Cell,
  errorNotes,
  formatMeasure,
  formatNumber,
  formatProbability,
  hasNoInformation,
  informationCell,
  markdownLines,
  measuredCell,
  NO_INFORMATION_NOTE,
  type Row,
  type RowGroup,
  type TableRecord,
  textTable,
} from '@lpr/report/tables';
import { differenceOf, errorsOf, estimateOf, groupRuns, type RunGroup } from './estimates.ts';
import { formulationTitles, type PaperRowResult, type PaperTableResult } from './paper.ts';
import { levelMean, type RunResult } from './runs.ts';

/** What the paper reports, too. */
const COMPARED = ['testLoss', 'gini', 'minMax'] as const;
type Compared = (typeof COMPARED)[number];
const TITLES: Readonly<Record<Compared, string>> = { testLoss: 'test loss', gini: 'Gini', minMax: 'min-max' };

/** How to read the tables, once for all. */
export const PAPER_LEGEND: string = [
  'floor: the Gini of a uniform router at as many tokens; null: of random latents and prototypes (95 % range).',
  "rank correlation: Spearman's of all rows with the paper's, in brackets what the errors of our rows leave open (95 %); " +
    'chance of it: the probability that an order by chance agrees as well or better.',
  'MI: I(expert; token) in nats, less its bias.',
].join('\n');

/** A row of the paper with the runs of one formulation that stand for it. */
interface OurRow {
  readonly row: PaperRowResult;
  readonly group: RunGroup;
  /** Of the same formulation; null for the baseline itself, or a row that comes to the same. */
  readonly baseline: RunGroup | null;
}

/**
 * Ours and the paper's, in blocks of a formulation; a row that is the same in all formulations stands in a block before
 * them.
 *
 * @param formulations those that are shown, in this order; all unless given
 * @throws RangeError when a row's run is not among the runs, or there is no such formulation
 */
export function paperTable(
  table: PaperTableResult,
  runs: readonly RunResult[],
  formulations: readonly string[] = formulationsOf(table),
): TableRecord {
  const groups = groupRuns(runs);
  const ours = new Map(formulations.map((formulation) => [formulation, rowsOf(table, groups, formulation)]));
  const all = [...ours.values()].flat();
  const isShared = ({ row }: OurRow): boolean =>
    formulations.length > 1 && new Set(formulations.map((formulation) => row.runs[formulation])).size === 1;
  const isReported = table.rows.some((row) => COMPARED.some((key) => row[key] !== null));
  const shared = (ours.get(formulations[0]!) ?? []).filter(isShared);
  // What all rows have stands in the title.
  const headingOf = (title: string, rows: readonly OurRow[]): string => {
    const seeds = seedsOf(rows);
    return seedsOf(all).length > 1 && seeds.length === 1 ? `${title}; ${seedsText(seeds[0]!)}` : title;
  };
  const blocks = Array.from(ours, ([formulation, rows]): RowGroup => {
    const own = rows.filter((row) => !isShared(row));
    return {
      heading: headingOf(formulationTitles(formulation).title, own),
      rows: [...own.map(rowCells), ...(isReported ? rankCells(rows) : [])],
    };
  });
  const below: RowGroup[] = [
    { heading: headingOf('the same in all formulations', shared), rows: shared.map(rowCells) },
    ...blocks,
    {
      heading: 'reported by the paper',
      rows: isReported ? table.rows.map(reportedCells) : [],
    },
  ];
  const cells = below.flatMap(({ rows }) => rows);
  return {
    title: titleOf(table, all),
    columns: [
      { key: 'name', title: '' },
      { key: 'testLoss', title: 'test loss', decimals: 3 },
      { key: 'testLoss.difference', title: 'difference', decimals: 3 },
      { key: 'gini', title: 'Gini', format: 'measure' as const },
      { key: 'gini.difference', title: 'difference', format: 'measure' as const },
      { key: 'floor', title: 'floor', format: 'measure' as const },
      { key: 'null', title: 'null', format: 'measure' as const },
      { key: 'minMax', title: 'min-max', format: 'measure' as const },
      { key: 'minMax.difference', title: 'difference', format: 'measure' as const },
      ...(table.rows.some(({ variance }) => variance !== undefined) ? VARIANCE : []),
      { key: 'information', title: 'MI', decimals: 3 },
    ].filter(({ key }) => !OPTIONAL.test(key) || cells.some((row) => key in row)),
    rows: [],
    below,
    notes: notesOf(table, ours, all),
  };
}

const OPTIONAL = /difference|information|null/;

/** Where the paper reports the variance of the loads: the two are of other numbers of tokens, CV is not. */
const VARIANCE = [
  { key: 'variance', title: 'variance', format: 'plain' as const },
  { key: 'variation', title: 'CV', format: 'measure' as const },
];

/** The lines of Markdown that stand for the table: what it is of, the table, a list of what can be told. */
export function paperLines(...of: Parameters<typeof paperTable>): string[] {
  const table = paperTable(...of);
  return [table.title, '', ...markdownLines(textTable(table)), '', ...table.notes.map((note) => `- ${note}`)];
}

function formulationsOf({ rows }: PaperTableResult): string[] {
  return [...new Set(rows.flatMap(({ runs }) => Object.keys(runs)))];
}

function rowsOf({ number, rows }: PaperTableResult, groups: readonly RunGroup[], formulation: string): OurRow[] {
  const groupOf = (row: PaperRowResult): RunGroup => {
    const name = row.runs[formulation];
    const known = formulationsOf({ number, title: '', rows }).join(', ');
    if (name === undefined)
      throw new RangeError(`table ${number} has no formulation "${formulation}"; there are ${known}`);
    const group = groups.find((each) => each.name === name);
    if (group === undefined) throw new RangeError(`table ${number} names the run "${name}", which is not there`);
    return group;
  };
  return rows.map((row) => {
    const other = rows.find(({ title }) => title === row.baseline);
    const group = groupOf(row);
    const baseline = other === undefined ? null : groupOf(other);
    return { row, group, baseline: baseline?.name === group.name ? null : baseline };
  });
}

function rowCells({ row, group, baseline }: OurRow): Row {
  const [{ samplingFloor, isotropicNull }] = group.runs;
  const information = estimateOf(group, 'information');
  return {
    name: row.title,
    floor: levelMean(samplingFloor.gini),
    ...(isotropicNull.gini !== undefined && { null: isotropicNull.gini }),
    variance: varianceText(estimateOf(group, 'variance')?.mean),
    variation: cellOf(estimateOf(group, 'coefficientOfVariation')),
    ...(information !== null && { information: informationCell(information.mean, information.error) }),
    ...Object.fromEntries(
      COMPARED.flatMap((key): [string, Cell][] => {
        const difference = baseline === null ? null : differenceOf(group, baseline, key);
        return [
          [key, cellOf(estimateOf(group, key))],
          ...(difference === null
            ? []
            : [
                [`${key}.difference`, { value: difference.mean, error: difference.error, isDifference: true }] as [
                  string,
                  Cell,
                ],
              ]),
        ];
      }),
    ),
  };
}

function cellOf(estimate: Estimate | null): Cell {
  return measuredCell(estimate?.mean, estimate?.error);
}

/** Of a row of the paper. */
function reportedCells({ title, testLoss, gini, minMax, variance }: PaperRowResult): Row {
  return { name: title, testLoss, gini, minMax, variance: varianceText(variance) };
}

/** "6.19e4": it spans orders of magnitude. */
function varianceText(variance: number | undefined): string {
  return variance === undefined ? '-' : variance.toExponential(2).replace('+', '');
}

/** How far the rows have the paper's order, and the chance of that. */
function rankCells(rows: readonly OurRow[]): Row[] {
  const correlations = COMPARED.map((key) =>
    rankCorrelationOf(
      rows.map(({ group }) => estimateOf(group, key)),
      rows.map(({ row }) => row[key]),
    ),
  );
  const cells = (text: (correlation: NonNullable<(typeof correlations)[number]>) => string): Row =>
    Object.fromEntries(COMPARED.map((key, i) => [key, correlations[i] == null ? '-' : text(correlations[i])]));
  return [
    {
      name: 'rank correlation',
      ...cells(({ value, interval }) =>
        interval === null
          ? value.toFixed(2)
          : `${value.toFixed(2)} (${interval.low.toFixed(2)} to ${interval.high.toFixed(2)})`,
      ),
    },
    { name: 'chance of it', ...cells(({ chance }) => formatProbability(chance)) },
  ];
}

/** "Table 2 on 102,400 held-out tokens, means over seeds 0, 1, 2: components". */
function titleOf({ number, title }: PaperTableResult, rows: readonly OurRow[]): string {
  const tokens = new Set(rows.flatMap(({ group }) => group.runs.map(({ evaluatedTokens }) => evaluatedTokens)));
  const text = tokens.size === 1 ? `${formatNumber([...tokens][0]!, 0)} held-out tokens` : 'held-out text';
  const seeds = seedsOf(rows);
  return `Table ${number} on ${text}, ${seeds.length > 1 ? 'means over seeds' : seedsText(seeds[0] ?? '')}: ${title}`;
}

/** The seeds of each row, "0, 1, 2", those of several rows once. */
function seedsOf(rows: readonly OurRow[]): string[] {
  return [...new Set(rows.map(({ group }) => group.runs.map(({ seed }) => seed).join(', ')))];
}

function seedsText(seeds: string): string {
  return `${seeds.includes(',') ? 'means over seeds' : 'seed'} ${seeds}`;
}

function notesOf(
  { rows: paperRows }: PaperTableResult,
  ours: ReadonlyMap<string, readonly OurRow[]>,
  all: readonly OurRow[],
): string[] {
  const baselines = [...new Set(paperRows.flatMap(({ baseline }) => baseline ?? []))];
  const ofFormulations = ours.size > 1;
  return [
    ...errorNotes(all.map(({ group }) => ({ errorsOf: errorsOf(group) }))),
    ...(baselines.length === 0
      ? []
      : [
          baselines.length === 1
            ? `Differences are to "${baselines[0]}"${ofFormulations ? ' of the same formulation' : ''}, in pairs of a seed or on the same text.`
            : `Differences are to ${baselines.join(', ')}, of the same architecture${ofFormulations ? ' and formulation' : ''}, in pairs of a seed or on the same text.`,
          ...Array.from(ours, ([formulation, rows]) => largerText(formulation, rows)),
        ]),
    ...unevenText(ours),
    ...biasText(ours.get('corrected'), ours.get('no-bias')),
    ...(all.some(({ group }) => hasNoInformation(estimateOf(group, 'information')?.mean)) ? [NO_INFORMATION_NOTE] : []),
  ];
}

/** Which differences of a formulation are larger than their errors. */
function largerText(formulation: string, rows: readonly OurRow[]): string {
  const { short } = formulationTitles(formulation);
  const differences = rows.flatMap(({ row, group, baseline }) =>
    baseline === null
      ? []
      : [{ title: row.title, of: COMPARED.map((key) => [key, differenceOf(group, baseline, key)] as const) }],
  );
  if (differences.every(({ of }) => of.every(([, difference]) => (difference?.error ?? null) === null))) {
    return `${short}: no difference has an interval.`;
  }
  const larger = differences.flatMap(({ title, of }) => {
    const words = of.flatMap(([key, difference]) =>
      difference !== null && exceedsError(difference) ? [`${TITLES[key]} ${signed(difference)}`] : [],
    );
    return words.length === 0 ? [] : [`${title} (${words.join(', ')})`];
  });
  const errors = rows.every(({ group }) => errorsOf(group) === 'blocks') ? 'the errors of the text' : 'their errors';
  return `${short}, larger than ${errors}: ${larger.length === 0 ? 'none' : larger.join('; ')}.`;
}

function signed({ mean }: Estimate): string {
  return mean > 0 ? `+${formatMeasure(mean)}` : formatMeasure(mean);
}

/** Which rows are less even than routers that learnt nothing. */
function unevenText(ours: ReadonlyMap<string, readonly OurRow[]>): string[] {
  const known = [...ours].flatMap(([formulation, rows]) => {
    const read = rows.flatMap(({ row, group }) => {
      const gini = estimateOf(group, 'gini')?.mean;
      const level = group.runs[0].isotropicNull.gini ?? null;
      // Its 97.5 percentile, where that is known.
      const most = typeof level === 'object' ? level?.high : level;
      return gini === undefined || most === undefined ? [] : [{ title: row.title, isLess: gini > most }];
    });
    return read.length === 0 ? [] : [{ short: formulationTitles(formulation).short, read }];
  });
  if (known.length === 0) return [];
  const texts = known.map(({ short, read }) => {
    const less = read.filter(({ isLess }) => isLess).map(({ title }) => title);
    return `${short}: ${less.length === 0 ? 'none' : less.length === read.length ? 'all rows' : less.join(', ')}`;
  });
  return [`Less even than random prototypes (Gini above the range of the isotropic null): ${texts.join('; ')}.`];
}

/** How much of the balance is left without the selection bias. */
function biasText(corrected: readonly OurRow[] | undefined, unbiased: readonly OurRow[] | undefined): string[] {
  const left = (corrected ?? []).flatMap(({ row, group }, i) => {
    const other = unbiased?.[i]?.group;
    if (other === undefined || other.name === group.name) return [];
    const [gini, without] = [estimateOf(group, 'gini'), estimateOf(other, 'gini')];
    if (gini === null || without === null) return [];
    return [`${row.title} ${Math.round((100 * (1 - without.mean)) / (1 - gini.mean))} %`];
  });
  return left.length === 0
    ? []
    : [`Of the balance (1 - Gini) of \`corrected\`, so much is left without its selection bias: ${left.join(', ')}.`];
}
