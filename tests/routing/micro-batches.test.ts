/**
 * A step in micro-batches: every loss term, every gradient and every update is what the whole batch gives, however it
 * is split, once the parts have been surveyed. What cannot hold is the routing of methods that look at the batch
 * itself; they are named here.
 */
import {
  latentPrototypePresets,
  loadBalancingLosses,
  auxiliaryCounts,
  AUXILIARY,
  mergeStatistics,
  type RouteContext,
  type Router,
  type RouterOptions,
  routerTraits,
  type Routing,
  type RoutingStatistics,
  statisticsOf,
} from '@lpr/moe';
import { disposeRouter, makeRouter } from '@lpr/moe/testing';
import {
  backward,
  createWasmDevice,
  multiply,
  parameter,
  RandomKey,
  randomNormal,
  scope,
  slice,
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
const SEQUENCE = 4;
/** First and last token of each part: whole sequences, and not equally many. */
const PARTS = [[0, 12], [12, 16], [16, 24]] as const; // biome-ignore format: a list
type Range = readonly [number, number];
const WHOLE: Range = [0, TOKENS];

/**
 * What a router's choices read of the batch besides the token: a micro-batch then routes differently, and no survey
 * helps.
 */
const ROUTES_BY_THE_BATCH: Readonly<Record<string, string>> = {
  switch: 'places of an expert fill up along the batch, and their number follows its size',
  gshard: 'places of an expert fill up along the batch, and their number follows its size',
  base: 'the assignment is balanced over the batch',
  sinkhorn: 'the factors of experts balance the batch',
  expertChoice: 'experts choose among the tokens of the batch',
};

const lpr = { kind: 'latentPrototype', ...latentPrototypePresets.corrected, latentDim: 4 } as const;
const further: readonly RouterOptions[] = [
  { ...lpr, diversity: 'euclidean', alignment: 'official', scoreFrom: 'z' },
  { ...lpr, diversity: 'cosine', measure: 'gaussianKernel' },
  { ...lpr, diversityNormalize: false, diversityReduce: 'sum', diversityTarget: 'tokens' },
];
const cases: readonly RouterCase[] = [
  ...routerCases,
  ...further.map((options, i) => ({ name: `latentPrototype, variant ${i}`, options, traits: routerTraits(options) })),
];

function contextFor([from, to]: Range, statistics?: RoutingStatistics): RouteContext {
  const ids = Int32Array.from({ length: to - from }, (_, t) => (7 * (from + t)) % 256);
  return {
    training: true,
    sequence: SEQUENCE,
    noise: RandomKey.fromSeed(4),
    tokenIds: tensor(device, ids, [to - from]),
    ...(from === 0 && to === TOKENS
      ? {}
      : { part: { first: from, tokens: TOKENS, ...(statistics && { statistics }) } }),
  };
}

const inputOf = ([from, to]: Range): Tensor =>
  slice(randomNormal(device, [TOKENS, shape.hidden], RandomKey.fromSeed(2), 2), 0, from, to);

/** A scalar of a routing, and what it weighs in the mean over parts. */
type Objective = (routing: Routing, tokens: Range, statistics?: RoutingStatistics) => Tensor | undefined;

const lossNamed =
  (name: string): Objective =>
  ({ losses }) =>
    losses.find((loss) => loss.name === name)?.value;

/** A mean over tokens of what the rest of the model sees. */
const visible: Objective = ({ weights, expertInput }, [from, to]) => {
  const rows = (width: number): Tensor =>
    slice(randomNormal(device, [TOKENS, width], RandomKey.fromSeed(5)), 0, from, to);
  const mixed = sum(multiply(weights, rows(weights.shape[1]!)));
  const read = expertInput === undefined ? mixed : sum(multiply(expertInput, rows(shape.hidden)));
  return multiply(read, tensor(device, [1 / (to - from)], []));
};

interface Outcome {
  readonly value: number;
  readonly gradients: ReadonlyMap<string, readonly number[]>;
}

/** Value and gradients of the objective over some tokens; those of the tokens themselves are called `tokens`. */
async function outcome(
  router: Router,
  range: Range,
  objective: Objective,
  statistics?: RoutingStatistics,
): Promise<Outcome> {
  return scope(device, async () => {
    const x = parameter(inputOf(range));
    const value = objective(router.route(x, contextFor(range, statistics)), range, statistics)!;
    if (value.node !== null) backward(value);
    const gradients = new Map<string, readonly number[]>();
    for (const [name, leaf] of [...router.parameters, ['tokens', x] as const]) {
      gradients.set(
        name,
        leaf.grad === null ? Array.from({ length: leaf.size }, () => 0) : Array.from(await leaf.grad.data()),
      );
      leaf.grad?.dispose();
      leaf.grad = null;
    }
    x.dispose();
    return { value: await value.item(), gradients };
  });
}

/** The mean over parts, weighted by tokens. */
async function accumulated(router: Router, objective: Objective, statistics?: RoutingStatistics): Promise<Outcome> {
  let value = 0;
  const gradients = new Map<string, number[]>();
  for (const [from, to] of PARTS) {
    const share = (to - from) / TOKENS;
    const own = await outcome(router, [from, to], objective, statistics);
    value += share * own.value;
    for (const [name, values] of own.gradients) {
      const scaled = values.map((each) => share * each);
      const before = gradients.get(name);
      if (name === 'tokens') gradients.set(name, [...(before ?? []), ...scaled]);
      else
        gradients.set(
          name,
          scaled.map((each, i) => each + (before?.[i] ?? 0)),
        );
    }
  }
  return { value, gradients };
}

/** The largest difference of values and gradients, relative to the largest of its kind. */
function difference(a: Outcome, b: Outcome): number {
  const pairs = [...a.gradients].flatMap(([name, values]) =>
    values.map((x, i) => [x, b.gradients.get(name)![i]!] as const),
  );
  const largest = Math.max(1e-12, ...pairs.flat().map(Math.abs));
  const ofGradients = Math.max(...pairs.map(([x, y]) => Math.abs(x - y))) / largest;
  return Math.max(ofGradients, Math.abs(a.value - b.value) / Math.max(Math.abs(a.value), 1e-3));
}

/** Runs `body` with the statistics of the whole batch, merged from those of its parts. */
async function surveyed<T>(router: Router, body: (whole: RoutingStatistics) => Promise<T>): Promise<T> {
  return scope(device, () => body(mergeStatistics(PARTS.map((range) => [surveyOf(router, range)]))[0]!));
}

function surveyOf(router: Router, range: Range): RoutingStatistics {
  return scope(
    device,
    () => {
      const routing = router.route(inputOf(range), contextFor(range));
      const own = statisticsOf(routing);
      if (routing.logits === undefined && routing.balance === undefined) return own;
      return { ...own, sums: { ...own.sums, [AUXILIARY]: auxiliaryCounts(routing) } };
    },
    { gradients: false },
  );
}

async function termsOf(router: Router): Promise<string[]> {
  return scope(device, () => router.route(inputOf(WHOLE), contextFor(WHOLE)).losses.map(({ name }) => name));
}

describe.for(cases.map((each) => [each.name, each] as const))('%s', ([, { options, traits }]) => {
  const make = (): Router => makeRouter(device, options, shape, 3);

  it('every loss term and its gradient are those of the whole batch', async () => {
    const router = make();
    const terms = await termsOf(router);
    await surveyed(router, async (statistics) => {
      let unsurveyed = 0;
      for (const term of terms) {
        const whole = await outcome(router, WHOLE, lossNamed(term));
        expect(difference(whole, await accumulated(router, lossNamed(term), statistics)), term).toBeLessThan(5e-4);
        unsurveyed = Math.max(unsurveyed, difference(whole, await accumulated(router, lossNamed(term))));
      }
      if (traits.pooledLosses) expect(unsurveyed).toBeGreaterThan(5e-3);
      else expect(unsurveyed).toBeLessThan(5e-4);
    });
    disposeRouter(router);
    expect(device.memory.liveBuffers).toBe(0);
  });

  it('updates after a step are those of the whole batch', async () => {
    if (options.kind in ROUTES_BY_THE_BATCH) return;
    const [one, other] = [make(), make()];
    const read = async (router: Router): Promise<number[]> => {
      const tensors = [...router.parameters.values(), ...router.buffers.values()];
      return (await Promise.all(tensors.map((each) => each.data()))).flatMap((data) => Array.from(data));
    };
    await scope(device, () =>
      Promise.resolve(one.afterStep(statisticsOf(one.route(inputOf(WHOLE), contextFor(WHOLE))))),
    );
    await surveyed(other, (statistics) => Promise.resolve(other.afterStep(statistics)));
    const [whole, split] = [await read(one), await read(other)];
    whole.forEach((value, i) => expect(Math.abs(value - split[i]!)).toBeLessThan(1e-5 * Math.max(1, Math.abs(value))));
    [one, other].forEach(disposeRouter);
  });

  it('tokens are routed, and train the router, as in the whole batch, unless the method looks at the batch', async () => {
    const router = make();
    const experts = async (range: Range): Promise<number[]> =>
      scope(device, async () => Array.from(await router.route(inputOf(range), contextFor(range)).experts.data()));
    const split: number[] = [];
    for (const range of PARTS) split.push(...(await experts(range)));
    const alike = JSON.stringify(split) === JSON.stringify(await experts(WHOLE));
    expect(alike).toBe(!(options.kind in ROUTES_BY_THE_BATCH));
    // Parts are whole sequences.
    const readsSequence = ['token', 'tokenBefore'].includes(traits.reads.training);
    expect(readsSequence).toBe(!(options.kind in ROUTES_BY_THE_BATCH));
    if (alike && options.kind !== 'hash') {
      expect(difference(await outcome(router, WHOLE, visible), await accumulated(router, visible))).toBeLessThan(5e-4);
    }
    disposeRouter(router);
  });
});

describe('the auxiliary loss of a layer', () => {
  const family = cases.filter(({ options }) => ['topKSoftmax', 'deepSeekV3'].includes(options.kind));
  const pooled =
    (pooling: Parameters<typeof loadBalancingLosses>[1]): Objective =>
    (routing, _, statistics) =>
      loadBalancingLosses([routing, routing], pooling, {
        sequence: SEQUENCE,
        ...(statistics && { whole: [statistics, statistics] }),
      })[0];

  it.for(
    family.flatMap(({ name, options }) =>
      (['pooled', 'layer', 'sequence', 'globalBatch'] as const).map((pooling) => [pooling, name, options] as const),
    ),
  )('%s, of %s', async ([pooling, , options]) => {
    const router = makeRouter(device, options, shape, 3);
    await surveyed(router, async (statistics) => {
      const whole = await outcome(router, WHOLE, pooled(pooling));
      expect(difference(whole, await accumulated(router, pooled(pooling), statistics))).toBeLessThan(5e-4);
      const unsurveyed = difference(whole, await accumulated(router, pooled(pooling)));
      if (pooling === 'sequence') expect(unsurveyed).toBeLessThan(5e-4);
      else expect(unsurveyed).toBeGreaterThan(5e-3);
    });
    disposeRouter(router);
  });
});
