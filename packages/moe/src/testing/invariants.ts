/** What every router keeps, whatever its weights and tokens. */
import type { RouterTraits } from '../method.ts';
import type { RouterBench } from './bench.ts';
import { anyClose, changed, copyExperts, equal, hold, mayRound, permutation, sameToken } from './comparing.ts';

/** Something that must hold of a router. */
export interface RouterProperty {
  /** Of a router, such as "is deterministic in evaluation". */
  readonly name: string;
  /** Whether it is asked of a router with these traits; of all unless given. */
  readonly applies?: (traits: RouterTraits) => boolean;
  /** Throws an Error that says what does not hold. */
  readonly check: (bench: RouterBench) => Promise<void>;
}

export const invariants: readonly RouterProperty[] = [
  {
    name: 'gives tokens distinct experts with finite weights of at least 0, and counts them all',
    check: (bench) =>
      bench.always(async (router, x) => {
        const { weightSum } = bench.traits;
        for (const training of [true, false]) {
          const { experts, weights, counts, unused, losses } = await bench.route(router, x, training);
          const { experts: count } = router;
          experts.forEach((slots, t) => {
            const chosen = slots.filter((e) => e < count);
            hold(new Set(chosen).size === chosen.length, `token ${t} has an expert twice: ${slots.join(', ')}`);
            const known = slots.every((e) => Number.isInteger(e) && e >= 0 && e <= count);
            hold(known, `token ${t} has experts that there are not: ${slots.join(', ')}`);
            const row = weights[t]!;
            const sound = row.every((weight) => Number.isFinite(weight) && weight >= 0);
            hold(sound, `token ${t} has weights that are no finite numbers of at least 0: ${row.join(', ')}`);
            const empty = slots.every((e, slot) => e < count || row[slot] === 0);
            hold(empty, `token ${t} has a slot without an expert whose weight is not 0: ${row.join(', ')}`);
            // Tokens that lost experts, or chose none, keep what is left.
            const total = row.reduce((a, b) => a + b, 0);
            const most = weightSum === null || total < weightSum + 1e-5;
            hold(most, `token ${t} has weights that sum to ${total}, above traits.weightSum`);
          });
          const all = experts.flat();
          const load = Array.from({ length: count }, (_, e) => all.filter((c) => c === e).length);
          hold(equal(counts, load), `counts are ${counts.join(', ')}, but the choices are ${load.join(', ')}`);
          const slots = counts.reduce((a, b) => a + b, 0) + unused;
          hold(slots === all.length, `counts and unused slots are ${slots}, but there are ${all.length} slots`);
          hold(losses.every(Number.isFinite), `a loss term is no finite number: ${losses.join(', ')}`);
          hold(training || losses.length === 0, 'there are loss terms in evaluation');
        }
      }),
  },
  {
    name: 'chooses the first k of experts that are all alike, and weights them alike',
    applies: (traits) => traits.takesLargest && traits.expertTensors.length > 0,
    check: (bench) =>
      bench.always(async (router, x) => {
        await copyExperts(router, bench.traits.expertTensors, () => 0);
        const { experts, weights } = await bench.route(router, x);
        experts.forEach((slots, t) => {
          const chosen = slots.flatMap((e, slot) => (e < router.experts ? [{ e, slot }] : []));
          hold(
            chosen.every(({ e, slot }) => e === slot),
            `of experts that are alike token ${t} has ${slots.join(', ')} and not the first`,
          );
          const own = chosen.map(({ slot }) => weights[t]![slot]!);
          const spread = own.length === 0 ? 0 : Math.max(...own) - Math.min(...own);
          hold(spread < 1e-6, `experts that are alike have the weights ${own.join(', ')} for token ${t}`);
        });
      }),
  },
  {
    name: 'permutes its routing with the tokens',
    // In another order, others stand before them.
    applies: (traits) => traits.reads.evaluation !== 'tokenBefore',
    check: (bench) =>
      bench.always(async (router, x, { tokens, seed }) => {
        const order = permutation(tokens, seed);
        const shuffled = order.map((t) => x[t]!);
        const [plain, permuted] = [await bench.route(router, x), await bench.route(router, shuffled)];
        if (bench.traits.reads.evaluation === 'batch' && anyClose(plain.selectedBy)) return;
        // Where experts are full, those that come first are served first.
        if (plain.dropped > 0 || permuted.dropped > 0) return;
        order.forEach((t, i) => {
          const alike = mayRound(bench.traits, plain, t, router.topK) || sameToken(permuted, i, plain, t);
          hold(alike, `token ${t} is routed otherwise where the tokens stand in another order`);
        });
      }),
  },
  {
    name: 'is deterministic in evaluation, and leaves its state as it was, in training too',
    check: (bench) =>
      bench.always(async (router, x) => {
        const state = (): Promise<number[][]> =>
          Promise.all([...router.buffers.values()].map(async (buffer) => Array.from(await buffer.data())));
        const before = await state();
        const twice = [await bench.route(router, x), await bench.route(router, x)];
        hold(equal(twice[0], twice[1]), 'evaluation routes the same tokens otherwise the second time');
        await bench.route(router, x, true);
        hold(equal(await state(), before), 'route changes a buffer; afterStep is the place for that');
      }),
  },
  {
    name: 'routes a token the same alone, before others and whatever follows',
    applies: (traits) => traits.reads.evaluation === 'token',
    check: (bench) =>
      bench.always(async (router, x, { tokens, seed }) => {
        const whole = await bench.route(router, x);
        const at = seed % tokens;
        if (mayRound(bench.traits, whole, at, router.topK)) return;
        const later = changed(x, (t) => t > at);
        for (const [rows, place] of [
          [[x[at]!], 0],
          [x.slice(0, at + 1), at],
          [later, at],
        ] as const) {
          const alike = sameToken(await bench.route(router, rows), place, whole, at);
          hold(alike, `token ${at} is routed otherwise beside other tokens, though traits.reads.evaluation is token`);
        }
      }),
  },
];
