/**
 * Which term of a router's loss reaches which parameters: a term that should leave a group alone must give it no
 * gradient. And how a term's gradient depends on the size of the batch.
 */
import { latentPrototypePresets, type RouteContext, type RouterOptions, routerTraits, type Routing } from '@lpr/moe';
import { disposeRouter, makeRouter } from '@lpr/moe/testing';
import {
  backward,
  createWasmDevice,
  multiply,
  parameter,
  RandomKey,
  randomNormal,
  randomUniform,
  scope,
  sum,
  type Tensor,
  tensor,
} from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { type RouterCase, routerCases } from './routers.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const shape = { hidden: 10, experts: 6, topK: 2 };
const TOKENS = 24;
const SEQUENCE = 6;

type LatentPrototypeCase = Extract<RouterOptions, { kind: 'latentPrototype' }>;
/**
 * Terms and the groups that each must reach. Groups are parameters; 'tokens' stands for what the rest of the model
 * gets.
 */
type Ledger = Readonly<Record<string, readonly string[]>>;

/** 'weights', 'expertInput' and 'passThrough' are what the task's loss sees of a router. */
const ledgers: {
  readonly [Kind in RouterOptions['kind']]: (options: Extract<RouterOptions, { kind: Kind }>) => Ledger;
} = {
  latentPrototype: latentPrototypeLedger,
  topKSoftmax: () => ({ weights: ['tokens', 'weight'] }),
  switch: ({ loadBalancingWeight }) => ({
    weights: ['tokens', 'weight'],
    ...(loadBalancingWeight > 0 && { loadBalancing: ['tokens', 'weight'] }),
    z: ['tokens', 'weight'],
  }),
  gshard: () => ({ weights: ['tokens', 'weight'], loadBalancing: ['tokens', 'weight'] }),
  deepSeekV3: () => ({ weights: ['tokens', 'weight'], sequenceBalance: ['tokens', 'weight'] }),
  quantileBalancing: () => ({ weights: ['tokens', 'weight'] }),
  base: () => ({ weights: ['tokens', 'expert_centroids'], passThrough: ['tokens', 'expert_centroids'] }),
  sinkhorn: () => ({ weights: ['tokens', 'weight'] }),
  expertChoice: () => ({ weights: ['tokens', 'weight'] }),
  denseMixture: () => ({ weights: ['tokens', 'weight'] }),
  noisyTopK: () => {
    const all = ['tokens', 'weight', 'noise.weight'];
    return { weights: all, importance: all, load: all };
  },
  dselectK: () => ({
    weights: ['tokens', 'selector.weight', 'mixture.weight'],
    // The mixture may stay undecided; only the selectors are to become binary.
    entropy: ['tokens', 'selector.weight'],
  }),
  remoe: () => ({ weights: ['tokens', 'weight'], activation: ['tokens', 'weight'] }),
  // What null experts would have got cancels when weights are renormalised.
  adamoe: () => ({ weights: ['tokens', 'weight'], loadBalancing: ['tokens', 'weight', 'null.weight'] }),
  hash: () => ({ weights: [] }),
  xmoe: () => {
    const all = ['tokens', 'projection.weight', 'expert_embeddings', 'temperature'];
    return { weights: all, loadBalancing: all };
  },
};

function latentPrototypeLedger(options: LatentPrototypeCase): Ledger {
  const gaussian = ['wasserstein', 'kl', 'js', 'hellinger'].includes(options.measure);
  const mean = [
    'tokens',
    'norm',
    'mean',
    ...(options.vocabulary > 0 ? ['token_latents'] : []),
    ...(options.precedingLatents ? ['preceding_latents'] : []),
  ];
  // The variance sees what reads the sample or the whole Gaussian; otherwise the KL divergence alone.
  const latents = options.scoreFrom === 'z' ? [...mean, 'variance'] : mean;
  const compared = gaussian ? [...mean, 'variance', 'keys', 'keyVariance'] : [...latents, 'keys'];
  const scores = ['mahalanobis', 'attention'].includes(options.measure) ? [...compared, 'measure'] : compared;
  const ledger: Record<string, readonly string[]> = { weights: scores, kl: [...mean, 'variance'] };
  if (options.diversityTarget !== 'keys') ledger['diversityTokens'] = latents;
  if (options.diversityTarget !== 'tokens') ledger['diversityKeys'] = ['keys'];
  ledger['alignment'] = options.alignment === 'paper' ? scores : ['keys'];
  if (options.outProjection) ledger['expertInput'] = [...scores, 'projection'];
  return ledger;
}

type Term = (routing: Routing) => Tensor | undefined;
type Gradients = ReadonlyMap<string, readonly number[]>;

/** Rows of fixed random numbers, a row a token, so that a batch is a list of tokens. */
async function rowsFor(
  purpose: string,
  distribution: 'normal' | 'uniform',
  columns: number,
  tokens: readonly number[],
): Promise<Tensor> {
  const draw = distribution === 'normal' ? randomNormal : randomUniform;
  const all = await draw(device, [TOKENS, columns], RandomKey.fromSeed(2).fold(purpose)).data();
  const picked = tokens.flatMap((t) => Array.from(all.slice(t * columns, (t + 1) * columns)));
  return tensor(device, picked, [tokens.length, columns]);
}

/** Random numbers as the method draws them. */
function noiseFor(options: RouterOptions, tokens: readonly number[]): Promise<Tensor> {
  if (options.kind === 'latentPrototype') return rowsFor('noise', 'normal', options.latentDim, tokens);
  if (options.kind === 'noisyTopK') return rowsFor('noise', 'normal', shape.experts, tokens);
  return rowsFor('noise', 'uniform', options.kind === 'gshard' ? 1 : shape.hidden, tokens);
}

/**
 * Gradients of one term over some tokens, by parameter; 'tokens' is that of the input. Empty when the term depends on
 * nothing.
 */
async function gradientsOf({ options }: RouterCase, tokens: readonly number[], term: Term): Promise<Gradients> {
  const router = makeRouter(device, options, shape, 3);
  try {
    return await scope(device, async () => {
      const x = parameter(await rowsFor('x', 'normal', shape.hidden, tokens));
      const context = { ...contextFor(tokens), noise: await noiseFor(options, tokens) };
      const value = term(router.route(x, context));
      const gradients = new Map<string, readonly number[]>();
      if (value?.node) {
        backward(value);
        for (const [name, { grad }] of [...router.parameters, ['tokens', x] as const]) {
          if (grad !== null) gradients.set(name, Array.from(await grad.data()));
        }
      }
      x.dispose();
      return gradients;
    });
  } finally {
    disposeRouter(router);
  }
}

function contextFor(tokens: readonly number[]): RouteContext {
  const tokenIds = tensor(
    device,
    Int32Array.from(tokens, (t) => 7 * t),
    [tokens.length],
  );
  return { training: true, sequence: SEQUENCE, tokenIds };
}

const lossNamed =
  (name: string): Term =>
  ({ losses }) =>
    losses.find((loss) => loss.name === name)?.value;

/** What the task's loss sees of a router, times fixed random numbers. */
const visible =
  (name: 'weights' | 'expertInput' | 'passThrough'): Term =>
  (routing) => {
    const values = routing[name];
    return values && sum(multiply(values, randomNormal(device, values.shape, RandomKey.fromSeed(5))));
  };

const VISIBLE = ['weights', 'expertInput', 'passThrough'] as const;
const termNamed = (name: string): Term =>
  VISIBLE.some((own) => own === name) ? visible(name as (typeof VISIBLE)[number]) : lossNamed(name);

/** Parameters of LPR in groups: the encoder's weight has rows for the mean and rows for the variance. */
function grouped({ options }: RouterCase, gradients: Gradients): Gradients {
  if (options.kind !== 'latentPrototype') return gradients;
  const { latentDim } = options;
  const groups = new Map<string, number[]>();
  const put = (group: string, values: readonly number[]): void => {
    groups.set(group, [...(groups.get(group) ?? []), ...values]);
  };
  for (const [name, values] of gradients) {
    if (name.startsWith('encoder.')) {
      const half = values.length / 2;
      expect(half % latentDim).toBe(0);
      put('mean', values.slice(0, half));
      put('variance', values.slice(half));
    } else if (name.startsWith('norm.')) put('norm', values);
    else if (name.startsWith('similarity_func.')) put('measure', values);
    else if (name === 'expert_keys_logvar') put('keyVariance', values);
    else if (name.startsWith('expert_keys')) put('keys', values);
    else if (name.includes('proj.')) put('projection', values);
    else put(name, values);
  }
  return groups;
}

const everyToken = Array.from({ length: TOKENS }, (_, t) => t);

describe.for(routerCases.map((routerCase) => [routerCase.name, routerCase] as const))(
  'ledger of %s',
  ([, routerCase]) => {
    const { options } = routerCase;
    const ledger = (ledgers[options.kind] as (options: RouterOptions) => Ledger)(options);

    it('lists every term', async () => {
      const router = makeRouter(device, options, shape, 3);
      await scope(device, async () => {
        const context = { ...contextFor(everyToken), noise: await noiseFor(options, everyToken) };
        const routing = router.route(await rowsFor('x', 'normal', shape.hidden, everyToken), context);
        const names = [
          ...routing.losses.map(({ name }) => name),
          ...VISIBLE.filter((name) => routing[name] !== undefined),
        ];
        expect(names.sort()).toEqual(Object.keys(ledger).sort());
      });
      disposeRouter(router);
    });

    it.each(Object.entries(ledger))('%s reaches %j', async (name, expected) => {
      const groups = grouped(routerCase, await gradientsOf(routerCase, everyToken, termNamed(name)));
      const largest = Math.max(0, ...[...groups.values()].flat().map(Math.abs));
      // What cancels on paper may leave a rounding error.
      const reached = [...groups].flatMap(([group, values]) =>
        values.some((value) => Math.abs(value) > 1e-6 * largest) ? [group] : [],
      );
      expect(reached.sort()).toEqual([...expected].sort());
      expect(device.memory.liveBuffers).toBe(0);
    });
  },
);

/**
 * 'exact': the mean of the gradients of micro-batches is that of the whole batch. 'intensive': a statistic of the
 * micro-batch, which does not add up, but means the same for any size of batch: a batch twice over has the same
 * gradient. 'extensive': it grows with the batch, which is a fault of the source.
 */
const splits: Readonly<Record<string, 'exact' | 'intensive' | 'extensive'>> = {
  'latentPrototype diversityTokens': 'intensive',
  'latentPrototype diversityKeys': 'exact',
  'latentPrototype kl': 'exact',
  'latentPrototype alignment': 'intensive',
  'latentPrototype, paper diversityTokens': 'extensive',
  'latentPrototype, paper kl': 'exact',
  'latentPrototype, paper alignment': 'extensive',
  'latentPrototype, official diversityTokens': 'intensive',
  'latentPrototype, official diversityKeys': 'exact',
  'latentPrototype, official kl': 'exact',
  'latentPrototype, official alignment': 'extensive',
  'switch loadBalancing': 'intensive',
  'switch z': 'exact',
  'gshard loadBalancing': 'intensive',
  'noisyTopK importance': 'intensive',
  'noisyTopK load': 'intensive',
  'deepSeekV3 sequenceBalance': 'exact',
  'dselectK entropy': 'exact',
  'remoe activation': 'intensive',
  'adamoe loadBalancing': 'intensive',
  'xmoe loadBalancing': 'intensive',
};

/** Default settings of every method, and LPR's other formulations. */
const splitCases: readonly RouterCase[] = [
  ...routerCases.filter(({ name, options }) => name === options.kind),
  ...(['paper', 'official'] as const).flatMap((preset) => {
    const options = { kind: 'latentPrototype', ...latentPrototypePresets[preset], latentDim: 4 } as const;
    return { name: `latentPrototype, ${preset}`, options, traits: routerTraits(options) };
  }),
];

describe('micro-batches', () => {
  const half = everyToken.slice(0, TOKENS / 2);
  const otherHalf = everyToken.slice(TOKENS / 2);
  const named = splitCases.flatMap((routerCase) =>
    Object.keys((ledgers[routerCase.options.kind] as (options: RouterOptions) => Ledger)(routerCase.options))
      .filter((term) => !VISIBLE.some((own) => own === term))
      .map((term) => [routerCase.name, term, routerCase] as const),
  );

  it('have an entry for every loss term', () => {
    expect(named.map(([name, term]) => `${name} ${term}`).sort()).toEqual(Object.keys(splits).sort());
  });

  it.for(named)('%s: %s', async ([name, term, routerCase]) => {
    const kind = splits[`${name} ${term}`]!;
    const own = (tokens: readonly number[]): Promise<Gradients> => gradientsOf(routerCase, tokens, lossNamed(term));
    if (kind === 'exact') {
      expectSame(await own(everyToken), mean(await own(half), await own(otherHalf)));
    } else {
      const [once, twice] = [await own(half), await own([...half, ...half])];
      if (kind === 'intensive') expectSame(twice, once);
      else expect(difference(twice, once)).toBeGreaterThan(0.1);
    }
  });

  /** Parameters alone: a token is in one micro-batch only. */
  function mean(a: Gradients, b: Gradients): Gradients {
    return new Map([...a].map(([name, values]) => [name, values.map((value, i) => (value + b.get(name)![i]!) / 2)]));
  }

  /** The largest difference of any parameter's gradients, relative to the largest gradient of all. */
  function difference(a: Gradients, b: Gradients): number {
    const names = [...a.keys()].filter((name) => name !== 'tokens');
    const values = names.flatMap((name) => a.get(name)!.map((value, i) => [value, b.get(name)![i]!] as const));
    const largest = Math.max(...values.flat().map(Math.abs));
    expect(largest).toBeGreaterThan(0);
    return Math.max(...values.map(([x, y]) => Math.abs(x - y))) / largest;
  }

  function expectSame(a: Gradients, b: Gradients): void {
    expect(difference(a, b)).toBeLessThan(2e-4);
  }
});
