/** All measures of a model on some text: loss by domain, balance of every layer, what experts specialise in. */
import type { Batch } from '@lpr/data';
import {
  type BalanceRanges,
  type BalanceReport,
  domainSpecialisation,
  expertDomainCounts,
  expertTokenCounts,
  layersReport,
  mutualInformation,
  mutualInformationBias,
  type RoutingTrace,
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
  levelSize,
  lossTable,
  NO_INFORMATION_NOTE,
  placementTable,
  type RoutedWindow,
  routedWindow,
  shownExperts,
  simulateLevels,
  type TableRecord,
  tableText,
  uniformPValue,
  usageText,
} from '@lpr/report/tables';
import type { Usage } from '@lpr/runs';
import { evaluate, type RoutedBatch } from '@lpr/train';

/** Tokens of each domain whose routing is looked at one by one. */
const TRACED_TOKENS = 2 ** 17;

/** How a layer's experts differ in what they get. */
interface Specialisation {
  /** I(expert; token id) in nats, beside what samples without any relation would show. */
  readonly mutualInformation: number;
  readonly mutualInformationBias: number;
  /** The same of expert and domain; null with one domain. */
  readonly domainInformation: number | null;
  readonly domainInformationBias: number | null;
  /** Mean over experts: the share of a token id's occurrences that go to an expert that gets it; k / M means none. */
  readonly vocabulary: number;
  /** The largest share of a domain's tokens that goes to one expert; null with one domain. */
  readonly domain: number | null;
}

export interface ModelEvaluation {
  readonly model: string;
  readonly text: string;
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
  /** Of every layer, over the first tokens of each domain. */
  readonly specialisation: readonly Specialisation[];
  /** Exact loads `[layers][experts]`. */
  readonly counts: readonly (readonly number[])[];
}

/** Runs the batches through the model and computes every measure. */
export async function evaluateInFull(
  decoder: Decoder,
  batches: Iterable<Batch>,
  {
    model,
    text,
    onProgress,
  }: { readonly model: string; readonly text: string; readonly onProgress: (tokens: number) => void },
): Promise<ModelEvaluation> {
  const routed: RoutedBatch[] = [];
  const evaluation = await evaluate(decoder, batches, {
    routed: { tokens: TRACED_TOKENS, onBatch: (batch) => routed.push(batch) },
    onProgress,
  });
  const { loss, tokens, counts, usage } = evaluation;
  const window = routedWindow(counts, tokens);
  const size = levelSize(window, latentDimOf(decoder));
  const levels = size === null ? null : simulateLevels(size);
  const report = counts.length === 0 ? { layers: [], mean: null, worst: null } : layersReport(counts);
  const specialisation = specialisationOf(routed, window);
  return {
    model,
    text,
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
    specialisation,
    counts: counts.map((layer) => Array.from(layer)),
  };
}

function latentDimOf({ plan }: Decoder): number {
  const routers = plan.layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward.router] : []));
  const latent = routers.find((router) => router.kind === 'latentPrototype');
  return latent?.latentDim ?? LATENT_DIM;
}

/** Of every layer; none of a model without experts. */
function specialisationOf(routed: readonly RoutedBatch[], { experts, layers }: RoutedWindow): Specialisation[] {
  if (experts === 0) return [];
  const limit = routed.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const recorder = new TraceRecorder({ experts, limit });
  for (const batch of routed) recorder.add(batch);
  const trace = recorder.trace();
  return Array.from({ length: layers }, (_, layer) => layerSpecialisation(trace, layer));
}

function layerSpecialisation(trace: RoutingTrace, layer: number): Specialisation {
  const tokens = expertTokenCounts(trace, layer).joint;
  const several = trace.domains.length > 1;
  const domains = several ? expertDomainCounts(trace, layer) : null;
  const shares = vocabularySpecialisation(trace, layer).filter((share) => !Number.isNaN(share));
  return {
    mutualInformation: mutualInformation(tokens),
    mutualInformationBias: mutualInformationBias(tokens),
    domainInformation: domains === null ? null : mutualInformation(domains),
    domainInformationBias: domains === null ? null : mutualInformationBias(domains),
    vocabulary: shares.length === 0 ? Number.NaN : shares.reduce((sum, share) => sum + share, 0) / shares.length,
    domain: several ? Math.max(...domainSpecialisation(trace, layer).flatMap((row) => [...row])) : null,
  };
}

/**
 * The evaluation as tables: the loss by domain, then balance of layers and its cost, then what experts specialise in.
 */
export function evaluationTables(evaluation: ModelEvaluation): TableRecord[] {
  const { model, text, tokens, experts, expertsPerToken, mean, worst, layers, pValues } = evaluation;
  const { samplingFloor, isotropicNull } = evaluation;
  const routing =
    expertsPerToken === null ? 'no experts' : `${experts} experts, ${shownExperts(expertsPerToken)} a token`;
  const title = `${model}: ${formatNumber(tokens, 0)} tokens of ${text} text, ${routing}`;
  const losses = { ...lossTable(title, evaluation, evaluation.domains), notes: [usageText(evaluation.usage)] };
  if (mean === null || worst === null) return [losses];
  const levels = samplingFloor === null || isotropicNull === null ? null : { samplingFloor, isotropicNull };
  const balance = balanceTable({ layers, mean, worst, pValues, levels });
  return [losses, balance, placementTable(evaluation.counts), specialisationTable(evaluation)];
}

function specialisationTable({ specialisation, experts, expertsPerToken }: ModelEvaluation): TableRecord {
  return {
    title: '',
    columns: [
      { key: 'name', title: 'specialisation' },
      { key: 'mutualInformation', title: 'I(expert; token)', decimals: 3 },
      { key: 'mutualInformationBias', title: 'bias', decimals: 3 },
      { key: 'vocabulary', title: 'vocabulary', decimals: 3 },
      { key: 'domainInformation', title: 'I(expert; domain)', decimals: 3 },
      { key: 'domainInformationBias', title: 'bias', decimals: 3 },
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
            `An expert's share of any token or domain is ${(expertsPerToken / experts).toFixed(3)} where nothing is specialised.`,
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
function leftOfDomains({ domainInformation, domainInformationBias }: Specialisation): number | null {
  return domainInformation === null ? null : domainInformation - domainInformationBias!;
}

/** The tables as text, one below the other. */
export function evaluationReport(evaluation: ModelEvaluation): string {
  return evaluationTables(evaluation).map(tableText).join('\n\n');
}
