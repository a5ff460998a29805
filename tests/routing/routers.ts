/**
 * Every routing method of the library, each with its default settings; some in further ones. A new method is picked up
 * from the library's own list.
 */
import {
  createRouter,
  latentPrototypePresets,
  type RouteContext,
  type Router,
  routerMethods,
  type RouterOptions,
  routerParameters,
  type RouterShape,
  routerTraits,
  type RouterTraits,
  topKFor,
} from '@lpr/moe';
import { assign, type Device, RandomKey, randomNormal, scope, tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';

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
];

const named = (name: string, options: RouterOptions): RouterCase => ({ name, options, traits: routerTraits(options) });

/** Settings that tell a case apart from the defaults of its method. */
function changes(options: RouterOptions): string {
  const { defaults } = routerMethods[options.kind];
  return Object.entries(options)
    .filter(([field, value]) => (defaults as unknown as Record<string, unknown>)[field] !== value)
    .map(([field, value]) => `${field} ${String(value)}`)
    .join(', ');
}

export const routerCases: readonly RouterCase[] = [
  ...Object.values(routerMethods).map(({ defaults }) => named(defaults.kind, defaults)),
  ...furtherSettings.map((options) => named(`${options.kind} (${changes(options)})`, options)),
];

/** Token ids are the tokens' own first number, so that equal tokens have equal ids wherever they stand. */
export function contextOf(device: Device, rows: readonly (readonly number[])[], training: boolean): RouteContext {
  const ids = Int32Array.from(rows, ([first = 0]) => Math.abs(Math.round(first * 1000)) % 256);
  return { training, noise: RandomKey.fromSeed(11), tokenIds: tensor(device, ids, [rows.length]) };
}

/**
 * A router with fresh weights; the shape's k gives way to that of methods with one of their own. Matrices that start at
 * 0 get random numbers, since tokens would be routed alike.
 */
export function makeRouter(device: Device, options: RouterOptions, shape: RouterShape, seed: number): Router {
  const fitting = { ...shape, topK: topKFor(routerTraits(options), shape) };
  const specs = routerParameters(options, fitting);
  const key = RandomKey.fromSeed(seed);
  return scope(device, () => {
    const tensors = createParameters(device, specs, key);
    for (const { name, initial, shape: extents, trained } of specs) {
      if (!trained || extents.length < 2 || initial.kind !== 'constant' || initial.value !== 0) continue;
      assign(tensors.get(name)!, randomNormal(device, extents, key.fold('not zero').fold(name)));
    }
    return createRouter(options, fitting, tensors);
  });
}

export function disposeRouter(router: Router): void {
  for (const each of [...router.parameters.values(), ...router.buffers.values()]) each.dispose();
}
