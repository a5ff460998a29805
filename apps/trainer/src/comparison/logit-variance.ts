/**
 * Equation 8 of the LPR paper (arXiv 2506.21328), measured: the variance of `x W^T` grows like `d var(x) var(w)`. What
 * that does to top-k routing, and what it does not, beside latent cosine routing, whose scores are bounded.
 *
 * Fresh routers of @lpr/moe route random tokens of mean square 1, as they leave an RMSNorm: even in all directions, or
 * with half of their square in one direction that all share, as hidden states of a language model have.
 */
import { effectiveExperts, gini } from '@lpr/metrics';
import {
  createRouter,
  resolveLatentPrototype,
  resolveRouter,
  type Router,
  routerParameters,
  type RouterOptions,
} from '@lpr/moe';
import type { Table } from '@lpr/results';
import { add, affine, type Device, ones, RandomKey, randomNormal, rmsNorm, scope, type Tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';

const EXPERTS = 128;
const TOP_K = 8;
const TOKENS = 4096;
/** Of the noise that is added to tokens, relative to them. */
const NOISE = 0.1;
/** Share of the square of tokens that lies in the direction that all share. */
const SHARED = 0.5;

interface Measured {
  /** Of the scores over tokens and experts. */
  readonly variance: number;
  /** The largest of a token's k weights, of 1 in all; mean over tokens. */
  readonly largestWeight: number;
  /** How many even weights would have the same entropy as the k; mean over tokens. */
  readonly effective: number;
  /** Share of the choices that stay when noise of a tenth of their size is added to the tokens. */
  readonly kept: number;
  readonly gini: number;
}

const ROUTERS: readonly { readonly name: string; readonly options: RouterOptions; readonly std?: number }[] = [
  {
    name: 'top-k, weights of deviation 1',
    options: resolveRouter('topKSoftmax', { renormalize: true }),
    std: 1,
  },
  {
    name: 'top-k, 0.02 as models start',
    options: resolveRouter('topKSoftmax', { renormalize: true }),
    std: 0.02,
  },
  { name: 'latent cosine', options: { kind: 'latentPrototype', ...resolveLatentPrototype('corrected') } },
];

/** A row for each router at each width. @param widths d */
export async function logitVarianceTable(device: Device, widths: readonly number[]): Promise<Table> {
  const rows: Table['rows'][number][] = [];
  for (const { name, options, std } of ROUTERS) {
    for (const hidden of widths) {
      const shape = { hidden, experts: EXPERTS, topK: TOP_K };
      const specs = routerParameters(options, shape).map((spec) =>
        std === undefined || spec.name !== 'weight' ? spec : { ...spec, initial: { kind: 'normal', std } as const },
      );
      const tensors = createParameters(device, specs, RandomKey.fromSeed(0).fold('router'));
      const router = createRouter(options, shape, tensors);
      const even = await measure(device, router, hidden, 0);
      const leaning = await measure(device, router, hidden, SHARED);
      rows.push({ router: name, width: hidden, ...even, leaningGini: leaning.gini });
      for (const tensor of tensors.values()) tensor.dispose();
    }
  }
  return {
    title: `${EXPERTS} experts, top-${TOP_K}, ${TOKENS} random tokens`,
    columns: [
      { key: 'router', title: 'router' },
      { key: 'width', title: 'd', format: 'plain' },
      { key: 'variance', title: 'variance of scores', decimals: 3 },
      { key: 'largestWeight', title: 'largest weight', decimals: 3 },
      { key: 'effective', title: `effective of ${TOP_K}`, decimals: 2 },
      { key: 'kept', title: 'choices kept', decimals: 3 },
      { key: 'gini', title: 'Gini', decimals: 3 },
      { key: 'leaningGini', title: 'Gini, shared direction', decimals: 3 },
    ],
    rows,
    notes: [],
  };
}

async function measure(device: Device, router: Router, hidden: number, shared: number): Promise<Measured> {
  const key = RandomKey.fromSeed(0);
  return await scope(
    device,
    async () => {
      const own = randomNormal(device, [TOKENS, hidden], key.fold('tokens'));
      const common = randomNormal(device, [hidden], key.fold('direction'));
      const mixed = add(affine(own, Math.sqrt(1 - shared)), affine(common, Math.sqrt(shared)));
      const x = rmsNorm(mixed, ones(device, [hidden]), 0);
      const noise = affine(randomNormal(device, [TOKENS, hidden], key.fold('noise')), NOISE);
      const { scores, weights, experts, counts } = router.route(x, { training: false });
      const noisy = router.route(add(x, noise), { training: false });
      const read = async (tensor: Tensor): Promise<readonly number[]> => [...(await tensor.data())];
      const [before, after] = [rowsOf(await read(experts)), rowsOf(await read(noisy.experts))];
      const kept = before.map((chosen, t) => chosen.filter((expert) => after[t]!.includes(expert)).length / TOP_K);
      const shares = rowsOf(await read(weights));
      return {
        variance: varianceOf(await read(scores)),
        largestWeight: mean(shares.map((row) => Math.max(...row))),
        effective: mean(shares.map(effectiveExperts)),
        kept: mean(kept),
        gini: gini(await read(counts)),
      };
    },
    { gradients: false },
  );
}

function rowsOf(values: readonly number[]): number[][] {
  return Array.from({ length: TOKENS }, (_, t) => values.slice(t * TOP_K, (t + 1) * TOP_K));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function varianceOf(values: readonly number[]): number {
  const middle = mean(values);
  return mean(values.map((value) => (value - middle) ** 2));
}
