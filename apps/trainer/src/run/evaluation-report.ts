/**
 * All figures of a model on some text: loss by domain, balance of every layer, what experts specialise in; as data and
 * as tables.
 */
import type { Batch } from '@lpr/data';
import {
  type BalanceReport,
  domainSpecialisation,
  expertDomainCounts,
  expertTokenCounts,
  layersReport,
  mutualInformation,
  mutualInformationBias,
  referenceLevels,
  type RoutingTrace,
  TraceRecorder,
  vocabularySpecialisation,
} from '@lpr/metrics';
import type { Decoder } from '@lpr/model';
import { alignColumns } from '@lpr/results';
import { evaluate, type RoutedBatch } from '@lpr/train';

/** Tokens of each domain whose routing is looked at one by one. */
const TRACED_TOKENS = 2 ** 17;
/** Width of the latents of the isotropic null, where the router has none: the paper's. */
const LATENT_DIM = 16;

/** How a layer's experts differ in what they get. */
interface SpecialisationFigures {
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

export interface EvaluationFigures {
  readonly model: string;
  readonly text: string;
  readonly tokens: number;
  readonly loss: number;
  readonly perplexity: number;
  readonly domains: Readonly<
    Record<string, { readonly loss: number; readonly perplexity: number; readonly tokens: number }>
  >;
  readonly experts: number;
  readonly topK: number;
  /** Each figure's mean over layers, its worst layer, and every layer. */
  readonly mean: BalanceReport;
  readonly worst: BalanceReport;
  readonly layers: readonly BalanceReport[];
  /** What routers without any structure would score on as many tokens. */
  readonly samplingFloor: BalanceReport;
  readonly isotropicNull: BalanceReport;
  /** Of every layer, over the first tokens of each domain. */
  readonly specialisation: readonly SpecialisationFigures[];
  /** Exact loads `[layers][experts]`. */
  readonly counts: readonly (readonly number[])[];
}

/** Runs the batches through the model and computes every figure. */
export async function evaluationFigures(
  decoder: Decoder,
  batches: Iterable<Batch>,
  {
    model,
    text,
    onProgress,
  }: { readonly model: string; readonly text: string; readonly onProgress: (tokens: number) => void },
): Promise<EvaluationFigures> {
  const { experts, topK } = decoder.routers[0]!;
  const routed: RoutedBatch[] = [];
  const evaluation = await evaluate(decoder, batches, {
    routed: { tokens: TRACED_TOKENS, onBatch: (batch) => routed.push(batch) },
    onProgress,
  });
  const { loss, tokens, counts } = evaluation;
  const limit = routed.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const recorder = new TraceRecorder({ experts, limit });
  for (const batch of routed) recorder.add(batch);
  const trace = recorder.trace();
  const levels = referenceLevels({ experts, topK, tokens, latentDim: latentDimOf(decoder) });
  return {
    model,
    text,
    tokens,
    loss,
    perplexity: Math.exp(loss),
    domains: Object.fromEntries(
      Array.from(evaluation.domains, ([name, each]) => [name, { ...each, perplexity: Math.exp(each.loss) }]),
    ),
    experts,
    topK,
    ...layersReport(counts),
    samplingFloor: levels.samplingFloor.expected,
    isotropicNull: levels.isotropicNull.expected,
    specialisation: counts.map((_, layer) => specialisationOf(trace, layer)),
    counts: counts.map((layer) => Array.from(layer)),
  };
}

function latentDimOf({ plan }: Decoder): number {
  const routers = plan.layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward.router] : []));
  const latent = routers.find((router) => router.kind === 'latentPrototype');
  return latent?.latentDim ?? LATENT_DIM;
}

function specialisationOf(trace: RoutingTrace, layer: number): SpecialisationFigures {
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

/** What the columns of a layer are called, and how many decimals they have. */
const BALANCE_COLUMNS: readonly (readonly [keyof BalanceReport, title: string, decimals: number])[] = [
  ['gini', 'Gini', 3],
  ['minMax', 'min-max', 3],
  ['maxViolation', 'MaxVio', 3],
  ['coefficientOfVariation', 'CV', 3],
  ['entropy', 'entropy', 4],
  ['effectiveExperts', 'effective', 1],
  ['klToUniform', 'KL', 4],
  ['deadExperts', 'dead', 0],
];

/** The figures as text: the loss by domain, then the balance of layers, then what their experts specialise in. */
export function evaluationTables(figures: EvaluationFigures): string {
  const { model, text, tokens, experts, topK, domains } = figures;
  const domainRows = Object.entries(domains).map(([name, each]) => [name, ...lossCells(each)]);
  const losses = alignColumns([
    ['', 'loss', 'perplexity', 'tokens'],
    ...domainRows,
    ...(domainRows.length > 1 ? [['all', ...lossCells(figures)]] : []),
  ]);
  const balanceRow = (name: string, report: BalanceReport): string[] => [
    name,
    ...BALANCE_COLUMNS.map(([field, , decimals]) => report[field].toFixed(decimals)),
  ];
  const balance = alignColumns([
    ['balance', ...BALANCE_COLUMNS.map(([, title]) => title)],
    ...figures.layers.map((report, layer) => balanceRow(`layer ${layer}`, report)),
    balanceRow('mean', figures.mean),
    balanceRow('worst', figures.worst),
    balanceRow('sampling floor', figures.samplingFloor),
    balanceRow('isotropic null', figures.isotropicNull),
  ]);
  const specialisation = alignColumns([
    ['specialisation', 'I(expert; token)', 'bias', 'vocabulary', 'I(expert; domain)', 'bias', 'domain'],
    ...figures.specialisation.map((layer, i) => [
      `layer ${i}`,
      ...[
        layer.mutualInformation,
        layer.mutualInformationBias,
        layer.vocabulary,
        layer.domainInformation,
        layer.domainInformationBias,
        layer.domain,
      ].map((value) => (value === null || Number.isNaN(value) ? '-' : value.toFixed(3))),
    ]),
  ]);
  return [
    `${model}: ${tokens.toLocaleString('en')} tokens of ${text} text, ${experts} experts, ${topK} a token`,
    '',
    ...losses,
    '',
    ...balance,
    '',
    ...specialisation,
    `An expert's share of any token or domain is ${(topK / experts).toFixed(3)} where nothing is specialised.`,
  ].join('\n');
}

function lossCells({ loss, perplexity, tokens }: Pick<EvaluationFigures, 'loss' | 'perplexity' | 'tokens'>): string[] {
  return [loss.toFixed(4), perplexity.toFixed(2), tokens.toLocaleString('en')];
}
