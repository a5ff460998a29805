/**
 * Every trait that a method claims: that it holds where it is claimed, and that it does not where it is denied. A claim
 * turned round fails here, `pooledLosses` in micro-batches.test.ts.
 */
import { routerMethods, type RouterMethod, type RouterOptions, routerParameters, topKFor } from '@lpr/moe';
import { assign, scope, tensor } from '@lpr/tensor';
import { afterAll, describe, expect, it, vi } from 'vitest';
import {
  always,
  anyClose,
  changed,
  copyExperts,
  device,
  permutation,
  type Routed,
  route,
  sameToken,
  sometimes,
} from './routed.ts';
import { disposeRouter, makeRouter, routerCases } from './routers.ts';

afterAll(() => device.dispose());

vi.setConfig({ testTimeout: 60_000 });

describe.for(routerCases.map((routerCase) => [routerCase.name, routerCase] as const))('%s', ([, routerCase]) => {
  const { options, traits } = routerCase;
  const both = [true, false];

  it.each([
    ['training', true],
    ['evaluation', false],
  ] as const)('reads of the batch in %s what it says', async (phase, training) => {
    /** Whether token `at` and those before it, or it alone, are routed differently when other tokens change. */
    const depends = (others: 'later' | 'earlier'): Promise<boolean> =>
      sometimes(routerCase, async (router, x, { tokens }) => {
        const at = Math.floor(tokens / 2);
        const [whole, other] = [
          await route(router, x, training),
          await route(
            router,
            changed(x, (t) => (others === 'later' ? t > at : t < at)),
            training,
          ),
        ];
        const watched = x.map((_, t) => t).filter((t) => (others === 'later' ? t <= at : t >= at));
        return watched.some((t) => !sameToken(whole, t, other, t));
      });
    const reads = (await depends('later')) ? 'batch' : (await depends('earlier')) ? 'earlierTokens' : 'token';
    expect(reads).toBe(traits.reads[phase]);
  });

  it.runIf(traits.alike)('routes in evaluation as in training', async () => {
    await always(routerCase, async (router, x) => {
      const [training, evaluation] = [await route(router, x, true), await route(router, x)];
      expect(evaluation.experts).toEqual(training.experts);
      expect(evaluation.weights).toEqual(training.weights);
    });
  });

  it.runIf(!traits.alike)('routes in evaluation unlike in training', async () => {
    const differs = await sometimes(routerCase, async (router, x) => {
      const [training, evaluation] = [await route(router, x, true), await route(router, x)];
      return JSON.stringify(training.experts) !== JSON.stringify(evaluation.experts);
    });
    expect(differs).toBe(true);
  });

  const filled = ({ experts }: Routed, count: number): number[] =>
    experts.map((slots) => slots.filter((e) => e < count).length);

  it.runIf(traits.fillsSlots)('gives every token k experts', async () => {
    await always(routerCase, async (router, x) => {
      for (const training of both) {
        const { topK, experts } = router;
        expect(filled(await route(router, x, training), experts)).toEqual(x.map(() => topK));
      }
    });
  });

  it.runIf(!traits.fillsSlots)('gives some token more or fewer than k experts', async () => {
    const varies = await sometimes(routerCase, async (router, x) =>
      filled(await route(router, x, true), router.experts).some((number) => number !== router.topK),
    );
    expect(varies).toBe(true);
  });

  /** Sums of the weights of tokens with k experts. */
  const sums = (routed: Routed, { topK, experts }: { topK: number; experts: number }): number[] =>
    filled(routed, experts).flatMap((number, t) => {
      // Where all sigmoids underflow, DeepSeek-V3's epsilon leaves no weight.
      const reached = routed.experts[t]!.map((e) => routed.scores[t]![e]!);
      const vanished = reached.every((score) => score >= 0 && score < 1e-12);
      return number !== topK || vanished ? [] : [routed.weights[t]!.reduce((a, b) => a + b, 0)];
    });

  it.runIf(traits.weightSum !== null)('gives tokens with k experts weights of the sum that it says', async () => {
    await always(routerCase, async (router, x) => {
      for (const training of both) {
        const off = sums(await route(router, x, training), router).map((sum) => Math.abs(sum - traits.weightSum!));
        expect(Math.max(0, ...off)).toBeLessThan(1e-5);
      }
    });
    expect(await sometimes(routerCase, async (router, x) => sums(await route(router, x), router).length > 0)).toBe(
      true,
    );
  });

  it.runIf(traits.weightSum === null)('gives tokens with k experts weights of different sums', async () => {
    const differ = await sometimes(routerCase, async (router, x) => {
      const own = sums(await route(router, x), router);
      return Math.max(...own) - Math.min(...own) > 1e-3;
    });
    expect(differ).toBe(true);
  });

  /** Whether each token has at most k experts, and in slot j none or the one whose selection is the j-th largest. */
  const takesLargest = (routed: Routed, { topK, experts: count }: { topK: number; experts: number }): boolean =>
    routed.experts.every((slots, t) => {
      const selection = routed.selectedBy[t]!.slice(0, count);
      const order = selection.map((_, e) => e).sort((a, b) => selection[b]! - selection[a]! || a - b);
      return slots.every((e, slot) => e === count || (slot < topK && e === order[slot]));
    });

  it.runIf(traits.takesLargest)(
    'takes the k largest in descending order, the lowest index among equal ones',
    async () => {
      await always(routerCase, async (router, x) => expect(takesLargest(await route(router, x), router)).toBe(true));
    },
  );

  it.runIf(!traits.takesLargest)('takes others than the k largest', async () => {
    expect(await sometimes(routerCase, async (router, x) => !takesLargest(await route(router, x), router))).toBe(true);
  });

  it('reads k, unless it works with one k alone', async () => {
    const shape = { hidden: 6, experts: 5 };
    const method = (routerMethods as Readonly<Record<string, unknown>>)[options.kind] as RouterMethod<RouterOptions>;
    /** Routes with any k, asking nobody whether the method allows it. */
    const withTopK = async (topK: number): Promise<Routed> => {
      const router = makeRouter(device, options, { ...shape, topK }, 3);
      const tensors = new Map([...router.parameters, ...router.buffers]);
      const core = { ...shape, topK, options, tensor: (name: string) => tensors.get(name)! };
      const rows = Array.from({ length: 14 }, (_, t) =>
        Array.from({ length: 6 }, (__, i) => 3 * Math.sin(t * t + 5 * i)),
      );
      const routed = await route(
        { selectionBias: router.selectionBias, route: (x, context) => method.route(core, x, context) },
        rows,
        true,
      );
      disposeRouter(router);
      return routed;
    };
    const [two, three] = [await withTopK(2), await withTopK(3)];
    if (traits.onlyTopK === null) {
      expect([three.experts, three.weights, three.losses]).not.toEqual([two.experts, two.weights, two.losses]);
    } else {
      expect(three).toEqual(two);
      expect(two.experts[0]).toHaveLength(topKFor(traits, { ...shape, topK: 2 }));
    }
  });

  /** How much more the busiest expert has in training than the idlest. */
  const spread = ({ counts }: Routed): number => Math.max(...counts) - Math.min(...counts);

  it.runIf(traits.exactBalance)('loads experts exactly evenly in training', async () => {
    await always(routerCase, async (router, x, { tokens }) => {
      const routed = await route(router, x, true);
      expect(spread(routed)).toBeLessThanOrEqual(1);
      if ((tokens * router.topK) % router.experts === 0) expect(spread(routed)).toBe(0);
    });
  });

  it.runIf(!traits.exactBalance)('loads experts unevenly in training', async () => {
    expect(await sometimes(routerCase, async (router, x) => spread(await route(router, x, true)) > 1)).toBe(true);
  });

  it.runIf(traits.selectionBias !== undefined)(
    'chooses an expert always or never where its selection bias says so, by the same scores',
    async () => {
      await always(routerCase, async (router, x) => {
        const { values, sign } = router.selectionBias!;
        const before = await route(router, x);
        for (const [wanted, first] of [
          [x.length, 1e4],
          [0, -1e4],
        ] as const) {
          const bias = Float32Array.from({ length: router.experts }, (_, e) => (e === 0 ? sign * first : 0));
          scope(device, () => assign(values, tensor(device, bias)));
          const { counts, scores } = await route(router, x);
          expect(scores).toEqual(before.scores);
          if (wanted > 0 || router.topK < router.experts) expect(counts[0]).toBe(wanted);
        }
      });
    },
  );

  it('names all tensors that have a row an expert', () => {
    const named = (experts: number): string[] => {
      const shape = { hidden: 11, experts, topK: 2 };
      const specs = routerParameters(options, { ...shape, topK: topKFor(traits, shape) });
      return specs.flatMap(({ name, shape: [rows] }) => (rows === experts ? [name] : []));
    };
    const own = named(5).filter((name) => named(7).includes(name));
    expect([...traits.expertTensors].sort()).toEqual(own.sort());
  });

  it.runIf(traits.expertTensors.length > 0)('permutes its load with the experts', async () => {
    await always(routerCase, async (router, x, { seed }) => {
      const order = permutation(router.experts, seed);
      const plain = await route(router, x);
      await copyExperts(router, traits.expertTensors, (e) => order[e]!);
      const permuted = await route(router, x);
      if (anyClose(plain.selectedBy)) return;
      expect(permuted.counts).toEqual(order.map((e) => plain.counts[e]));
      permuted.experts.forEach((slots, t) => expect(slots.map((e) => order[e] ?? e)).toEqual(plain.experts[t]));
    });
  });
});
