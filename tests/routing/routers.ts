/**
 * Every routing method of the library, each with its default settings; some in further ones. A new method is picked up
 * from the library's own list.
 */
import {
  latentPrototypePresets,
  type RouterKind,
  routerMethods,
  type RouterOptions,
  routerTraits,
  type RouterTraits,
} from '@lpr/moe';

export interface RouterCase {
  readonly name: string;
  readonly options: RouterOptions;
  readonly traits: RouterTraits;
}

const lpr = { kind: 'latentPrototype', ...latentPrototypePresets.corrected, latentDim: 4 } as const;

const furtherSettings: readonly RouterOptions[] = [
  { kind: 'topKSoftmax', renormalize: false },
  {
    ...routerMethods.switch.defaults,
    ...{ evaluationCapacityFactor: 1.25, jitter: 0, loadBalancingWeight: 0 },
  },
  { ...routerMethods.gshard.defaults, randomSecond: false },
  { ...routerMethods.deepSeekV3.defaults, renormalize: false },
  { kind: 'latentPrototype', ...latentPrototypePresets.paper, latentDim: 4 },
  { kind: 'latentPrototype', ...latentPrototypePresets.official, latentDim: 4 },
  { ...lpr, measure: 'dotProduct', ema: 'hard', unitBallConstraint: true },
  { ...lpr, measure: 'gaussianKernel', ema: 'soft', diversity: 'cosine' },
  { ...lpr, measure: 'mahalanobis', ema: 'official', diversity: 'euclidean' },
  { ...lpr, measure: 'attention', attentionHeads: 2, alignment: 'paper' },
  { ...lpr, measure: 'wasserstein', ema: 'official' },
  { ...lpr, measure: 'kl', alignment: 'official', weightScale: 2.5 },
  { ...lpr, measure: 'js' },
  { ...lpr, measure: 'hellinger', outProjection: true },
  { ...lpr, diversityTarget: 'keys', alignment: 'paper' },
  { ...lpr, scoreFrom: 'z', measure: 'wasserstein' },
  { ...lpr, prototypeStart: 'orthogonal' },
  { ...lpr, vocabulary: 256 },
  { ...lpr, vocabulary: 256, precedingLatents: true },
];

const named = (name: string, options: RouterOptions): RouterCase => ({ name, options, traits: routerTraits(options) });

/** Settings that tell a case apart from the defaults of its method. */
function changes(options: RouterOptions): string {
  const { defaults } = routerMethods[options.kind as RouterKind];
  return Object.entries(options)
    .filter(([field, value]) => (defaults as unknown as Record<string, unknown>)[field] !== value)
    .map(([field, value]) => `${field} ${String(value)}`)
    .join(', ');
}

export const routerCases: readonly RouterCase[] = [
  ...Object.values(routerMethods).map(({ defaults }) => named(defaults.kind, defaults)),
  ...furtherSettings.map((options) => named(`${options.kind} (${changes(options)})`, options)),
];
