/** Every routing method, with what its properties need to know about it. A new kind of router does not compile until it stands here. */
import {
  createParameters,
  createRouter,
  latentPrototypePresets,
  type Router,
  type RouterOptions,
  routerParameters,
  type RouterShape,
  type Routing,
} from '@lpr/moe';
import { add, type Device, RandomKey, type Tensor } from '@lpr/tensor';

export interface RouterCase {
  readonly name: string;
  readonly options: RouterOptions;
  /** Whether a token's weights sum to 1. */
  readonly normalized: boolean;
  /** Tensors whose first axis counts experts. */
  readonly expertTensors: readonly string[];
  /** What the k largest of were selected, `[tokens, M]`. */
  readonly selectedBy: (routing: Routing, router: Router) => Tensor;
}

const byProbability = (routing: Routing): Tensor => routing.balance!.probabilities;

const byBiasedScore = ({ scores }: Routing, { buffers }: Router): Tensor => {
  const bias = buffers.get('selection_bias');
  return bias === undefined ? scores : add(scores, bias);
};

const cases: { readonly [Kind in RouterOptions['kind']]: readonly RouterCase[] } = {
  topKSoftmax: [true, false].map((renormalize) => ({
    name: renormalize ? 'topKSoftmax, renormalized' : 'topKSoftmax',
    options: { kind: 'topKSoftmax', renormalize },
    normalized: renormalize,
    expertTensors: ['weight'],
    selectedBy: byProbability,
  })),
  latentPrototype: Object.entries(latentPrototypePresets).map(([preset, options]) => ({
    name: `latentPrototype, ${preset}`,
    options: { kind: 'latentPrototype', ...options, latentDim: 4 },
    normalized: true,
    expertTensors: ['expert_keys', 'selection_bias', 'ema_sums', 'ema_counts'],
    selectedBy: byBiasedScore,
  })),
};

export const routerCases: readonly RouterCase[] = Object.values(cases).flat();

/** A router with fresh weights. */
export function makeRouter(device: Device, options: RouterOptions, shape: RouterShape, seed: number): Router {
  const specs = routerParameters(options, shape);
  return createRouter(options, shape, createParameters(device, specs, RandomKey.fromSeed(seed)));
}

export function disposeRouter(router: Router): void {
  for (const tensor of [...router.parameters.values(), ...router.buffers.values()]) tensor.dispose();
}
