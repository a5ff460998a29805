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
  /** 0 and 0 where there are none. */
  readonly experts: number;
  readonly topK: number;
  /** Each figure's mean over layers, its worst layer, and every layer; null and none for a model without experts. */
  readonly mean: BalanceReport | null;
  readonly worst: BalanceReport | null;
  readonly layers: readonly BalanceReport[];
  /** What routers without any structure would score on as many tokens. */
  readonly samplingFloor: BalanceReport | null;
  readonly isotropicNull: BalanceReport | null;
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
  const { experts, topK } = decoder.routers[0] ?? { experts: 0, topK: 0 };
  const routed: RoutedBatch[] = [];
  const evaluation = await evaluate(decoder, batches, {
    routed: { tokens: TRACED_TOKENS, onBatch: (batch) => routed.push(batch) },
    onProgress,
  });
  const { loss, tokens, counts } = evaluation;
  const losses = {
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
    counts: counts.map((layer) => Array.from(layer)),
  };
  if (experts === 0) {
    const none = { mean: null, worst: null, samplingFloor: null, isotropicNull: null };
    return { ...losses, ...none, layers: [], specialisation: [] };
  }
  const limit = routed.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  const recorder = new TraceRecorder({ experts, limit });
  for (const batch of routed) recorder.add(batch);
  const trace = recorder.trace();
  const levels = referenceLevels({ experts, topK, tokens, latentDim: latentDimOf(decoder) });
  return {
    ...losses,
    ...layersReport(counts),
    samplingFloor: levels.samplingFloor.expected,
    isotropicNull: levels.isotropicNull.expected,
    specialisation: counts.map((_, layer) => specialisationOf(trace, layer)),
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
  const allTokens = Object.values(domains).reduce((sum, each) => sum + each.tokens, 0);
  const losses = alignColumns([
    ['', 'loss', 'perplexity', 'tokens'],
    ...domainRows,
    // Sources besides what is held out of the training mix have rows of their own only.
    ...(domainRows.length > 1 ? [[allTokens === tokens ? 'all' : 'mix', ...lossCells(figures)]] : []),
  ]);
  const head = `${model}: ${tokens.toLocaleString('en')} tokens of ${text} text, `;
  if (experts === 0) return [`${head}a dense model without experts`, '', ...losses].join('\n');
  const balanceRows = (name: string, report: BalanceReport | null): string[][] =>
    report === null ? [] : [[name, ...BALANCE_COLUMNS.map(([field, , decimals]) => report[field].toFixed(decimals))]];
  const balance = alignColumns([
    ['balance', ...BALANCE_COLUMNS.map(([, title]) => title)],
    ...figures.layers.flatMap((report, layer) => balanceRows(`layer ${layer}`, report)),
    ...balanceRows('mean', figures.mean),
    ...balanceRows('worst', figures.worst),
    ...balanceRows('sampling floor', figures.samplingFloor),
    ...balanceRows('isotropic null', figures.isotropicNull),
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
    `${head}${experts} experts, ${topK} a token`,
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
