/** All measures of a model on some text: loss by domain, balance of every layer, what experts specialise in. */
import type { Batch } from '@lpr/data';
import {
  type BalanceRanges,
  type BalanceReport,
  balanceReport,
  domainGroups,
  domainSpecialisation,
  expertTokenCounts,
  groupInformation,
  type HeldOutBlock,
  largest,
  layersReport,
  mutualInformation,
  mutualInformationBias,
  type RoutingTrace,
  textFloor,
  tokenTypeFloor,
  TraceRecorder,
  vocabularySpecialisation,
} from '@lpr/metrics';
import type { Decoder } from '@lpr/model';
import {
  balanceTable,
  formatNumber,
  hasNoInformation,
  informationCell,
  LATENT_DIM,
  type LayerRouting,
  type LevelSize,
  levelSize,
  lossTable,
  NO_INFORMATION_NOTE,
  placementTable,
  type RoutedWindow,
  routedWindow,
  routingTable,
  shownExperts,
  simulateLevels,
  stabilityTable,
  type TableRecord,
  tableText,
  uniformPValue,
  usageText,
} from '@lpr/report/tables';
import type { Usage } from '@lpr/runs';
import { evaluate, type RoutedBatch } from '@lpr/train';
import { BatchLoads, layerRoutings, type RoutingStability } from './routing-report.ts';

/** Tokens of each domain whose routing is looked at one by one. */
const TRACED_TOKENS = 2 ** 17;

/** What a model is evaluated on: a part of its run's text, or another text. */
export type EvaluatedText = 'held-out' | 'training' | 'given';

/** How a layer's experts differ in what they get. */
interface Specialisation {
  /** I(expert; token id) in nats, beside what samples without any relation would show. */
  readonly mutualInformation: number;
  readonly mutualInformationBias: number;
  /** The same of expert and domain, beside its level under independence; null with one domain. */
  readonly domainInformation: number | null;
  readonly domainInformationIndependent: number | null;
  /** Mean over experts: the share of a token id's occurrences that go to an expert that gets it; k / M means none. */
  readonly vocabulary: number;
  /** The largest share of a domain's tokens that goes to one expert; null with one domain. */
  readonly domain: number | null;
}

/** The floor that frequent token types set. */
interface TokenTypes {
  readonly balance: BalanceReport;
  /** Types above the fair share of an expert, and their share of the tokens. */
  readonly frequent: number;
  readonly share: number;
}

export interface ModelEvaluation {
  readonly model: string;
  /** Training steps of the checkpoint; null where it does not say. */
  readonly step: number | null;
  readonly text: EvaluatedText;
  readonly tokens: number;
  readonly loss: number;
  readonly perplexity: number;
  readonly domains: Readonly<
    Record<string, { readonly loss: number; readonly perplexity: number; readonly tokens: number }>
  >;
  /** 0 and 0 where there are none. */
  readonly experts: number;
  /** That a token really went to, a layer; null for a model without experts. */
  readonly expertsPerToken: number | null;
  /** What the tokens used of the model. */
  readonly usage: Usage;
  /** Each measure's mean over layers, its worst layer, and every layer; null for a model without experts. */
  readonly mean: BalanceReport | null;
  readonly worst: BalanceReport | null;
  readonly layers: readonly BalanceReport[];
  /** The probability that uniform routers make loads at least as uneven: of each layer, and of all together. */
  readonly pValues: { readonly layers: readonly (number | null)[]; readonly all: number | null };
  /** What routers without any structure reach on as many tokens, as the mean over as many layers. */
  readonly samplingFloor: BalanceRanges | null;
  readonly isotropicNull: BalanceRanges | null;
  /** What a router that is even over all text of this kind shows on pieces of it, taken as independent. */
  readonly textFloor: { readonly mean: BalanceRanges; readonly pieces: number } | null;
  /** What no router is more even than that goes by the token's id alone, over the same tokens as specialisation. */
  readonly tokenTypeFloor: TokenTypes | null;
  /** Of every layer, over the first tokens of each domain. */
  readonly specialisation: readonly Specialisation[];
  /** Of every layer: decisions and groups over the same tokens, the loads of single batches over all. */
  readonly routing: {
    /** Of the batches whose MaxVio is measured, and the MaxVio of a uniform router in one. */
    readonly batchTokens: number;
    readonly batchFloor: number | null;
    readonly layers: readonly LayerRouting[];
  };
  /** Against the run's evaluation before; null where the model or the text is another one, or there was none. */
  readonly stability: RoutingStability | null;
  /** Exact loads `[layers][experts]`. */
  readonly counts: readonly (readonly number[])[];
}

interface EvaluationContext extends Pick<ModelEvaluation, 'model' | 'step' | 'text' | 'stability'> {
  /** Tokens in each sequence. */
  readonly sequence: number;
  readonly onProgress: (tokens: number) => void;
}

/** Runs the batches through the model and computes every measure. */
export async function evaluateInFull(
  decoder: Decoder,
  batches: Iterable<Batch>,
  { onProgress, sequence, ...of }: EvaluationContext,
): Promise<ModelEvaluation> {
  const routed: RoutedBatch[] = [];
  const loads = new BatchLoads();
  const evaluation = await evaluate(decoder, batches, {
    routed: { tokens: TRACED_TOKENS, decisions: true, onBatch: (batch) => routed.push(batch) },
    onLoads: (counts, tokens) => loads.add(counts, tokens),
    onProgress,
  });
  const { loss, tokens, counts, usage, blocks } = evaluation;
  const window = routedWindow(counts, tokens);
  const size = levelSize(window, latentDimOf(decoder));
  const levels = size === null ? null : simulateLevels(size);
  const report = counts.length === 0 ? { layers: [], mean: null, worst: null } : layersReport(counts);
  const trace = traceOf(routed, window);
  return {
    ...of,
    tokens,
    loss,
    perplexity: Math.exp(loss),
    domains: Object.fromEntries(
      Array.from(evaluation.domains, ([name, each]) => [name, { ...each, perplexity: Math.exp(each.loss) }]),
    ),
    experts: window.experts,
    expertsPerToken: size === null ? null : window.expertsPerToken,
    usage,
    ...report,
    pValues: {
      layers: counts.map((layer) => uniformPValue([layer], tokens)),
      all: uniformPValue(counts, tokens),
    },
    samplingFloor: levels?.samplingFloor ?? null,
    isotropicNull: levels?.isotropicNull ?? null,
    textFloor: textFloorOf(blocks),
    tokenTypeFloor: trace === null || size === null ? null : tokenTypesOf(trace, size),
    specialisation: trace === null ? [] : specialisationOf(trace),
    routing: {
      batchTokens: loads.tokens,
      batchFloor: loads.floor(),
      layers: trace === null ? [] : layerRoutings(trace, routed, loads, sequence),
    },
    counts: counts.map((layer) => Array.from(layer)),
  };
}

function latentDimOf({ plan }: Decoder): number {
  const routers = plan.layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward.router] : []));
  const latent = routers.find((router) => router.kind === 'latentPrototype');
  return latent?.latentDim ?? LATENT_DIM;
}

/** null of a model without experts. */
function traceOf(routed: readonly RoutedBatch[], { experts }: RoutedWindow): RoutingTrace | null {
  if (experts === 0) return null;
  const limit = routed.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const recorder = new TraceRecorder({ experts, limit });
  for (const batch of routed) recorder.add(batch);
  return recorder.trace();
}

function textFloorOf(blocks: readonly HeldOutBlock[]): ModelEvaluation['textFloor'] {
  const floor = textFloor(blocks);
  return floor === null ? null : { mean: floor.mean, pieces: blocks.length };
}

function tokenTypesOf({ tokenIds }: RoutingTrace, size: Pick<LevelSize, 'experts' | 'topK'>): TokenTypes {
  const counts = new Map<number, number>();
  for (const id of tokenIds) counts.set(id, (counts.get(id) ?? 0) + 1);
  const { loads, frequent, share } = tokenTypeFloor([...counts.values()], size);
  return { balance: balanceReport(loads), frequent: frequent.length, share };
}

/** Of every layer. */
export function specialisationOf(trace: RoutingTrace): Specialisation[] {
  return Array.from({ length: trace.layers }, (_, layer) => layerSpecialisation(trace, layer));
}

function layerSpecialisation(trace: RoutingTrace, layer: number): Specialisation {
  const tokens = expertTokenCounts(trace, layer).joint;
  const several = trace.domains.length > 1;
  const domains = several ? groupInformation(trace, layer, domainGroups(trace)) : null;
  const shares = vocabularySpecialisation(trace, layer).filter((share) => !Number.isNaN(share));
  return {
    mutualInformation: mutualInformation(tokens),
    mutualInformationBias: mutualInformationBias(tokens),
    domainInformation: domains?.nats ?? null,
    domainInformationIndependent: domains?.independent ?? null,
    vocabulary: shares.length === 0 ? Number.NaN : shares.reduce((sum, share) => sum + share, 0) / shares.length,
    domain: several ? largest(domainSpecialisation(trace, layer).map((row) => largest(row))) : null,
  };
}

/**
 * The evaluation as tables: the loss by domain, then balance of layers and its cost, what experts specialise in, how
 * routing goes besides, and how steady it is.
 */
export function evaluationTables(evaluation: ModelEvaluation): TableRecord[] {
  const { model, text, step, tokens, experts, expertsPerToken, mean, worst, layers, pValues } = evaluation;
  const { samplingFloor, isotropicNull, routing, stability } = evaluation;
  const chosen =
    expertsPerToken === null ? 'no experts' : `${experts} experts, ${shownExperts(expertsPerToken)} a token`;
  const title = `${model}: ${formatNumber(tokens, 0)} tokens of ${text} text, ${chosen}`;
  const losses = { ...lossTable(title, evaluation, evaluation.domains), notes: [usageText(evaluation.usage)] };
  if (mean === null || worst === null) return [losses];
  const what = `${text} text${step === null ? '' : ` after step ${formatNumber(step, 0)}`}`;
  const levels = samplingFloor === null || isotropicNull === null ? null : { samplingFloor, isotropicNull };
  return [
    losses,
    balanceTable(what, {
      ...{ layers, mean, worst, pValues, levels },
      textFloor: evaluation.textFloor,
      tokenTypes: evaluation.tokenTypeFloor,
    }),
    placementTable(what, evaluation.counts),
    specialisationTable(what, evaluation),
    routingTable({ what, ...routing }),
    ...(stability === null
      ? []
      : [
          stabilityTable(
            `${formatNumber(stability.tokens, 0)} held-out tokens, step ${stability.to} against step ${stability.from}`,
            stability.layers,
          ),
        ]),
  ];
}

function specialisationTable(what: string, { specialisation, experts, expertsPerToken }: ModelEvaluation): TableRecord {
  return {
    title: `Specialisation on ${what}`,
    columns: [
      { key: 'name', title: 'specialisation' },
      { key: 'mutualInformation', title: 'I(expert; token)', decimals: 3 },
      { key: 'mutualInformationBias', title: 'bias', decimals: 3 },
      { key: 'vocabulary', title: 'vocabulary', decimals: 3 },
      { key: 'domainInformation', title: 'I(expert; domain)', decimals: 3 },
      { key: 'domainInformationIndependent', title: 'independent', format: 'measure', decimals: 3 },
      { key: 'domain', title: 'domain', decimals: 3 },
    ],
    rows: specialisation.map((layer, i) => ({
      name: `layer ${i}`,
      ...layer,
      mutualInformation: informationCell(leftOf(layer), null, layer.mutualInformation),
      domainInformation: informationCell(leftOfDomains(layer), null, layer.domainInformation),
    })),
    notes: [
      ...(expertsPerToken === null
        ? []
        : [
            `An expert's share of any token or domain is ${(expertsPerToken / experts).toFixed(3)} where nothing is specialised and loads are even.`,
          ]),
      ...(specialisation.some((layer) => hasNoInformation(leftOf(layer)) || hasNoInformation(leftOfDomains(layer)))
        ? [NO_INFORMATION_NOTE]
        : []),
    ],
  };
}

/** Information of expert and token less its bias. */
function leftOf({ mutualInformation: information, mutualInformationBias: bias }: Specialisation): number {
  return information - bias;
}

/** The same of expert and domain; null with one domain. */
function leftOfDomains({ domainInformation, domainInformationIndependent }: Specialisation): number | null {
  return domainInformation === null ? null : domainInformation - domainInformationIndependent!;
}

/** The tables as text, one below the other. */
export function evaluationReport(evaluation: ModelEvaluation): string {
  return evaluationTables(evaluation).map(tableText).join('\n\n');
}
