/** Every trait that a router claims: that it holds where it is claimed, and that it does not where it is denied. */
import { assign, scope, tensor } from '@lpr/tensor';
import { type RoutingReads, topKFor } from '../method.ts';
import { routerMethod, routerParameters } from '../routers/index.ts';
import { disposeRouter, makeRouter, type Routed, type RouterBench } from './bench.ts';
import { anyClose, changed, copyExperts, equal, filled, hold, permutation, sameToken } from './comparing.ts';
import type { RouterProperty } from './invariants.ts';

const PHASES = [
  ['training', true],
  ['evaluation', false],
] as const;

/** Sums of the weights of tokens with k experts. */
function sums(routed: Routed, { topK, experts }: { topK: number; experts: number }): number[] {
  return filled(routed, experts).flatMap((number, t) => {
    // Where all sigmoids underflow, DeepSeek-V3's epsilon leaves no weight.
    const reached = routed.experts[t]!.map((e) => routed.scores[t]![e]!);
    const vanished = reached.every((score) => score >= 0 && score < 1e-12);
    return number !== topK || vanished ? [] : [routed.weights[t]!.reduce((a, b) => a + b, 0)];
  });
}

/** Whether each token has at most k experts, and in slot j none or the one whose selection is the j-th largest. */
function takesLargest(routed: Routed, { topK, experts: count }: { topK: number; experts: number }): boolean {
  return routed.experts.every((slots, t) => {
    const selection = routed.selectedBy[t]!.slice(0, count);
    const order = selection.map((_, e) => e).sort((a, b) => selection[b]! - selection[a]! || a - b);
    return slots.every((e, slot) => e === count || (slot < topK && e === order[slot]));
  });
}

/** How much more the busiest expert has than the idlest. */
const spread = ({ counts }: Routed): number => Math.max(...counts) - Math.min(...counts);

const reads: readonly RouterProperty[] = PHASES.map(([phase, training]) => ({
  name: `reads of the batch in ${phase} what it says`,
  async check(bench) {
    /** Whether token `at` and those on its side are routed differently when tokens so far on the other side change. */
    const depends = (others: 'later' | 'earlier', distance: number): Promise<boolean> =>
      bench.sometimes(async (router, x, { tokens }) => {
        const at = Math.floor(tokens / 2);
        const different = changed(x, (t) => (others === 'later' ? t >= at + distance : t <= at - distance));
        const [whole, other] = [await bench.route(router, x, training), await bench.route(router, different, training)];
        const watched = x.map((_, t) => t).filter((t) => (others === 'later' ? t <= at : t >= at));
        return watched.some((t) => !sameToken(whole, t, other, t));
      });
    const earlier = async (): Promise<RoutingReads> =>
      (await depends('earlier', 2)) ? 'earlierTokens' : (await depends('earlier', 1)) ? 'tokenBefore' : 'token';
    const read = (await depends('later', 1)) ? 'batch' : await earlier();
    const claimed = bench.traits.reads[phase];
    hold(read === claimed, `traits.reads.${phase} is ${claimed}, but the routing of a token reads: ${read}`);
  },
}));

export const claims: readonly RouterProperty[] = [
  ...reads,
  {
    name: 'routes in evaluation as in training',
    applies: (traits) => traits.alike,
    check: (bench) =>
      bench.always(async (router, x) => {
        const [training, evaluation] = [await bench.route(router, x, true), await bench.route(router, x)];
        const alike = equal(evaluation.experts, training.experts) && equal(evaluation.weights, training.weights);
        hold(alike, 'traits.alike is true, but evaluation routes otherwise than training');
      }),
  },
  {
    name: 'routes in evaluation unlike in training',
    applies: (traits) => !traits.alike,
    async check(bench) {
      const differs = await bench.sometimes(
        async (router, x) =>
          !equal((await bench.route(router, x, true)).experts, (await bench.route(router, x)).experts),
      );
      hold(differs, 'traits.alike is false, but evaluation routes as training does');
    },
  },
  {
    name: 'gives every token k experts',
    applies: (traits) => traits.fillsSlots,
    check: (bench) =>
      bench.always(async (router, x) => {
        for (const [phase, training] of PHASES) {
          const numbers = filled(await bench.route(router, x, training), router.experts);
          const all = numbers.every((number) => number === router.topK);
          hold(all, `traits.fillsSlots is true, but in ${phase} tokens have ${numbers.join(', ')} experts`);
        }
      }),
  },
  {
    name: 'gives some token more or fewer than k experts',
    applies: (traits) => !traits.fillsSlots,
    async check(bench) {
      const varies = await bench.sometimes(async (router, x) =>
        filled(await bench.route(router, x, true), router.experts).some((number) => number !== router.topK),
      );
      hold(varies, 'traits.fillsSlots is false, but every token has k experts');
    },
  },
  {
    name: 'gives tokens with k experts weights of the sum that it says',
    applies: (traits) => traits.weightSum !== null,
    async check(bench) {
      const claimed = bench.traits.weightSum!;
      await bench.always(async (router, x) => {
        for (const [phase, training] of PHASES) {
          const wrong = sums(await bench.route(router, x, training), router).find(
            (sum) => !(Math.abs(sum - claimed) < 1e-5),
          );
          hold(wrong === undefined, `traits.weightSum is ${claimed}, but in ${phase} weights sum to ${wrong}`);
        }
      });
      const seen = await bench.sometimes(async (router, x) => sums(await bench.route(router, x), router).length > 0);
      hold(seen, 'no token ever has k experts, so traits.weightSum says nothing; make it null');
    },
  },
  {
    name: 'gives tokens with k experts weights of different sums',
    applies: (traits) => traits.weightSum === null,
    async check(bench) {
      const differ = await bench.sometimes(async (router, x) => {
        const own = sums(await bench.route(router, x), router);
        return Math.max(...own) - Math.min(...own) > 1e-3;
      });
      hold(differ, 'traits.weightSum is null, but the weights of all tokens have one sum; say which');
    },
  },
  {
    name: 'takes the k largest in descending order, the lowest index among equal ones',
    applies: (traits) => traits.takesLargest,
    check: (bench) =>
      bench.always(async (router, x) => {
        const largest = takesLargest(await bench.route(router, x), router);
        hold(largest, 'traits.takesLargest is true, but others than the largest of the selection are taken');
      }),
  },
  {
    name: 'takes others than the k largest',
    applies: (traits) => !traits.takesLargest,
    async check(bench) {
      const others = await bench.sometimes(async (router, x) => !takesLargest(await bench.route(router, x), router));
      hold(others, 'traits.takesLargest is false, but the largest of the selection are taken');
    },
  },
  { name: 'reads k, unless it works with one k alone', check: readsTopK },
  {
    name: 'loads experts exactly evenly in training',
    applies: (traits) => traits.exactBalance,
    check: (bench) =>
      bench.always(async (router, x, { tokens }) => {
        const own = spread(await bench.route(router, x, true));
        const most = (tokens * router.topK) % router.experts === 0 ? 0 : 1;
        hold(own <= most, `traits.exactBalance is true, but one expert has ${own} choices more than another`);
      }),
  },
  {
    name: 'loads experts unevenly in training',
    applies: (traits) => !traits.exactBalance,
    async check(bench) {
      const uneven = await bench.sometimes(async (router, x) => spread(await bench.route(router, x, true)) > 1);
      hold(uneven, 'traits.exactBalance is false, but the load is even');
    },
  },
  {
    name: 'chooses an expert always or never where its selection bias says so, by the same scores',
    applies: (traits) => traits.selectionBias !== undefined,
    check: (bench) =>
      bench.always(async (router, x) => {
        const { values, sign } = router.selectionBias!;
        const before = await bench.route(router, x);
        for (const [wanted, first] of [
          [x.length, 1e4],
          [0, -1e4],
        ] as const) {
          const bias = Float32Array.from({ length: router.experts }, (_, e) => (e === 0 ? sign * first : 0));
          scope(bench.device, () => assign(values, tensor(bench.device, bias)));
          const { counts, scores } = await bench.route(router, x);
          hold(equal(scores, before.scores), 'the selection bias changes the scores');
          const obeyed = counts[0] === wanted || (wanted === 0 && router.topK === router.experts);
          hold(obeyed, `with a selection bias of ${first} expert 0 has ${counts[0]} choices, expected ${wanted}`);
        }
      }),
  },
  { name: 'names all tensors that have a row an expert', check: namesExpertTensors },
  {
    name: 'permutes its load with the experts',
    applies: (traits) => traits.expertTensors.length > 0,
    check: (bench) =>
      bench.always(async (router, x, { seed }) => {
        const order = permutation(router.experts, seed);
        const plain = await bench.route(router, x);
        await copyExperts(router, bench.traits.expertTensors, (e) => order[e]!);
        const permuted = await bench.route(router, x);
        if (anyClose(plain.selectedBy)) return;
        const load = order.map((e) => plain.counts[e]);
        hold(
          equal(permuted.counts, load),
          'experts in another order, as traits.expertTensors has them, have other loads',
        );
        const back = permuted.experts.map((slots) => slots.map((e) => order[e] ?? e));
        hold(
          equal(back, plain.experts),
          'experts in another order, as traits.expertTensors has them, have other tokens',
        );
      }),
  },
];

async function readsTopK(bench: RouterBench): Promise<void> {
  const { device, options, traits } = bench;
  const shape = { hidden: 6, experts: 5 };
  const method = routerMethod(options.kind);
  /** Routes with any k, asking nobody whether the method allows it. */
  const withTopK = async (topK: number): Promise<Routed> => {
    const router = makeRouter(device, options, { ...shape, topK }, 3);
    const tensors = new Map([...router.parameters, ...router.buffers]);
    const core = { ...shape, topK, options, tensor: (name: string) => tensors.get(name)! };
    const rows = Array.from({ length: 14 }, (_, t) =>
      Array.from({ length: 6 }, (__, i) => 3 * Math.sin(t * t + 5 * i)),
    );
    try {
      return await bench.route(
        { selectionBias: router.selectionBias, route: (x, context) => method.route(core, x, context) },
        rows,
        true,
      );
    } finally {
      disposeRouter(router);
    }
  };
  const [two, three] = [await withTopK(2), await withTopK(3)];
  const read = ({ experts, weights, losses }: Routed): unknown[] => [experts, weights, losses];
  if (traits.onlyTopK === null) {
    hold(!equal(read(two), read(three)), 'traits.onlyTopK is null, but k changes nothing; say which k it is');
    return;
  }
  hold(equal(two, three), `traits.onlyTopK is ${traits.onlyTopK}, but k changes the routing`);
  const expected = topKFor(traits, { ...shape, topK: 2 });
  const slots = two.experts[0]!.length;
  hold(slots === expected, `traits.onlyTopK means ${expected} slots, but there are ${slots}`);
}

async function namesExpertTensors({ options, traits }: RouterBench): Promise<void> {
  const named = (experts: number): string[] => {
    const shape = { hidden: 11, experts, topK: 2 };
    const specs = routerParameters(options, { ...shape, topK: topKFor(traits, shape) });
    return specs.flatMap(({ name, shape: [rows] }) => (rows === experts ? [name] : []));
  };
  const own = named(5).filter((name) => named(7).includes(name));
  const claimed = [...traits.expertTensors].sort();
  hold(
    equal(claimed, own.sort()),
    `traits.expertTensors is ${claimed.join(', ') || 'empty'}, but a row an expert have ${own.join(', ') || 'none'}`,
  );
}
