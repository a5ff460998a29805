/** What an evaluation says of one model: loss by domain, balance of every layer; and of one run at several steps. */
import type { BalanceRanges, BalanceReport } from '@lpr/metrics';
import { hasNoInformation, informationCell, NO_INFORMATION_NOTE } from './information.ts';
import { balanceCells, balanceColumns, levelCells, type Measures } from './measures.ts';
import type { RunLevels } from '../levels.ts';
import { filledColumns, formatNumber, type Row, type TableRecord, tokensText } from './table.ts';

interface Loss {
  readonly loss: number;
  readonly perplexity: number | null;
  readonly tokens: number;
}

/**
 * Loss by domain, and over all where there are several; over the mix alone where some of them lie besides it, whose
 * tokens are not among those of `all`.
 */
export function lossTable(title: string, all: Loss, domains: Readonly<Record<string, Loss>>): TableRecord {
  const row = (name: string, { loss, perplexity, tokens }: Loss): Row => ({ name, loss, perplexity, tokens });
  const each = Object.entries(domains).map(([name, domain]) => row(name, domain));
  const inDomains = Object.values(domains).reduce((sum, { tokens }) => sum + tokens, 0);
  return {
    title,
    columns: [
      { key: 'name', title: '' },
      { key: 'loss', title: 'loss', decimals: 4 },
      { key: 'perplexity', title: 'perplexity', decimals: 2 },
      { key: 'tokens', title: 'tokens', decimals: 0 },
    ],
    rows: each.length > 1 ? [...each, row(inDomains === all.tokens ? 'all' : 'mix', all)] : each,
    notes: [],
  };
}

/** Balance of a model. */
export interface LayerBalance {
  readonly layers: readonly BalanceReport[];
  readonly mean: BalanceReport;
  readonly worst: BalanceReport;
  /** That uniform routers make loads at least as uneven: of each layer, and of all together. */
  readonly pValues: { readonly layers: readonly (number | null)[]; readonly all: number | null };
  /** null where no token reached an expert. */
  readonly levels: Pick<RunLevels, 'samplingFloor' | 'isotropicNull'> | null;
  /** The floor of a router that is even over all text of this kind; null where it is not known. */
  readonly textFloor: { readonly mean: BalanceRanges; readonly pieces: number } | null;
  /** The floor of routers that go by the token's id; which types set it. null where it is not known. */
  readonly tokenTypes: { readonly balance: BalanceReport; readonly frequent: number; readonly share: number } | null;
}

/** Every measure that is worth a column, of every layer. @param what it is of: "held-out text after step 40" */
export function balanceTable(
  what: string,
  { layers, mean, worst, pValues, levels, textFloor, tokenTypes }: LayerBalance,
): TableRecord {
  const rows: Row[] = [
    ...layers.map((report, layer) => ({ name: `layer ${layer}`, ...only(report), p: pValues.layers[layer]! })),
    { name: 'mean', ...only(mean), p: pValues.all },
    { name: 'worst', ...only(worst) },
  ];
  const ranges: readonly (readonly [name: string, BalanceRanges | undefined])[] = [
    ['sampling floor', levels?.samplingFloor],
    ['text floor', textFloor?.mean],
    ['isotropic null', levels?.isotropicNull],
  ];
  const levelRows = ranges.flatMap(([name, level]): Row[] =>
    level === undefined ? [] : [{ name, ...levelCells(level) }],
  );
  return {
    title: `Balance on ${what}`,
    columns: [
      { key: 'name', title: 'balance' },
      ...balanceColumns('full'),
      { key: 'p', title: 'p', format: 'probability' },
    ],
    rows,
    below: [{ rows: [...levelRows, ...(tokenTypes === null ? [] : [typesRow(tokenTypes)])] }],
    notes: [
      "p is the probability that uniform routers make loads at least as uneven (chi-square test), of the mean: of all layers together. Small, the load differs from a uniform router's.",
      ...(levels === null ? [] : ['Levels are means over as many layers, with their 95 % ranges.']),
      ...(textFloor === null
        ? []
        : [
            `Text floor: a router that is even over all such text, on ${textFloor.pieces} pieces of it as different as these; what is farther from balance is not the chance of the text.`,
          ]),
      ...(tokenTypes === null ? [] : [typesNote(tokenTypes)]),
    ],
  };
}

type TokenTypes = NonNullable<LayerBalance['tokenTypes']>;

function typesRow({ balance }: TokenTypes): Row {
  return { name: 'by id alone', ...only(balance) };
}

function typesNote({ frequent, share }: TokenTypes): string {
  const cause =
    frequent === 0
      ? 'no token id is more than the fair share of an expert'
      : `${frequent} token id${frequent === 1 ? ' is' : 's are'} more than the fair share of an expert, ${formatNumber(100 * share, 1)} % of the tokens together`;
  return `By id alone: no router is more even that sends all tokens of an id to the same experts; ${cause}.`;
}

function only(report: BalanceReport): Row {
  return balanceCells(report);
}

/** A run at one of the steps at which it was evaluated. */
export interface EvaluatedStep {
  readonly step: number;
  readonly final: boolean;
  /** Held out, that it is over. */
  readonly evaluatedTokens: number;
  readonly loss: number;
  readonly mean: Measures | null;
  readonly worst: Measures | null;
  /** I(expert; token) less its bias. */
  readonly information: number | null;
  /** Of its routers, the mean over layers; null where it is not known. */
  readonly decisions: {
    readonly entropy: number;
    readonly margin: number | null;
    readonly independentMargin: number | null;
  } | null;
  readonly domains: Readonly<Record<string, { readonly loss: number }>>;
}

/** The evaluations of a run, the newest first. */
export function evaluationsTable(evaluations: readonly EvaluatedStep[]): TableRecord {
  const domains = [...new Set(evaluations.flatMap(({ domains: each }) => Object.keys(each)))];
  const rows = evaluations.toReversed().map(
    ({ step, final, loss, mean, worst, information, decisions, domains: each }): Row => ({
      step: `${step.toLocaleString('en')}${final ? ' final' : ''}`,
      loss,
      ...balanceCells(mean, worst),
      information: informationCell(information),
      entropy: decisions?.entropy ?? null,
      margin: decisions?.margin ?? null,
      'margin.level': decisions?.independentMargin ?? null,
      ...Object.fromEntries(domains.map((name) => [`loss.${name}`, each[name]?.loss ?? null])),
    }),
  );
  const columns = [
    { key: 'step', title: 'step' },
    { key: 'loss', title: 'loss', decimals: 4 },
    ...balanceColumns('short'),
    { key: 'information', title: 'I(expert; token)', decimals: 3 },
    { key: 'entropy', title: 'router entropy', decimals: 3 },
    { key: 'margin', title: 'router margin', decimals: 3, beside: { key: 'margin.level' } },
    ...domains.map((name) => ({ key: `loss.${name}`, title: `loss, ${name}`, decimals: 4 })),
  ];
  return {
    title: `Evaluations on ${tokensText(evaluations.map(({ evaluatedTokens }) => evaluatedTokens))}`,
    columns: filledColumns(columns, ['information', 'entropy', 'margin'], rows),
    rows,
    notes: [
      'Balance is the mean over layers (worst layer).',
      ...(rows.some(({ information }) => information !== null) ? ['I(expert; token) is in nats, less its bias.'] : []),
      ...(evaluations.some(({ information }) => hasNoInformation(information)) ? [NO_INFORMATION_NOTE] : []),
      ...(rows.some(({ entropy }) => entropy !== null)
        ? [
            'A uniform router has entropy 1 and margin 0; in brackets the margin of unrelated scores. Means over layers and traced tokens.',
          ]
        : []),
    ],
  };
}
