/** What methods promise of themselves, on one small batch each; tests/routing holds them to it on many. */
import { cast, RandomKey, scope, tensor, zeros } from '@lpr/tensor';
import { describe, expect, it } from 'vitest';
import { type BatchPart, routerMethods, type RouterOptions, routerTraits, topKFor } from '../src/index.ts';
import { descending, dispose, normal, total } from './routed.ts';
import { device, makeRouter, type Matrix, toMatrix, toTensor } from './support.ts';

const EXPERTS = 8;
const TOKENS = 24;

interface Seen {
  readonly experts: Matrix;
  readonly weights: Matrix;
  readonly selection: Matrix;
  readonly counts: readonly number[];
}

async function seen(options: RouterOptions, training: boolean, x: Matrix): Promise<Seen> {
  const shape = { hidden: 8, experts: EXPERTS, topK: 2 };
  const router = makeRouter(options, { ...shape, topK: topKFor(routerTraits(options), shape) });
  const result = await scope(device, async () => {
    const tokenIds = cast(
      tensor(
        device,
        Float32Array.from(x, ([first]) => Math.abs(Math.round(first! * 50)) % 256),
      ),
      'i32',
    );
    const { experts, weights, scores, details, counts } = router.route(toTensor(x), {
      training,
      noise: RandomKey.fromSeed(2),
      tokenIds,
    });
    return {
      experts: await toMatrix(experts),
      weights: await toMatrix(weights),
      selection: await toMatrix(details?.['selection'] ?? scores),
      counts: Array.from(await counts.data()),
    };
  });
  dispose(router);
  return result;
}

/** Values of the loss terms of a part of a batch, taken for the whole of it. */
async function termsOf(options: RouterOptions, x: Matrix, part: BatchPart): Promise<number[]> {
  const shape = { hidden: 8, experts: EXPERTS, topK: 2 };
  const router = makeRouter(options, { ...shape, topK: topKFor(routerTraits(options), shape) });
  const values = await scope(device, async () => {
    const tokenIds = cast(zeros(device, [x.length]), 'i32');
    const { losses } = router.route(toTensor(x), {
      training: true,
      noise: RandomKey.fromSeed(2),
      tokenIds,
      part,
      sequence: 4,
    });
    return Promise.all(losses.map(async ({ value }) => (await value.data())[0]!));
  });
  dispose(router);
  return values;
}

describe.each(Object.values(routerMethods).map(({ defaults }) => [defaults.kind, defaults] as const))(
  '%s',
  (_, options) => {
    const batch = (): Promise<Matrix> => normal(TOKENS, 8, 21, 30);

    it('fills all k slots where it says so, and only there', async () => {
      const traits = routerTraits(options);
      const k = topKFor(traits, { experts: EXPERTS, topK: 2 });
      const { experts } = await seen(options, true, await batch());
      expect(experts.every((own) => own.length === k && own.every((expert) => expert < EXPERTS))).toBe(
        traits.fillsSlots,
      );
    });

    it('has weights of the sum that it names, or else of many', async () => {
      const traits = routerTraits(options);
      const { experts, weights } = await seen(options, false, await batch());
      const sums = weights
        .filter((own, token) => own.length > 0 && experts[token]!.every((e) => e < EXPERTS))
        .map(total);
      const all = traits.fillsSlots ? sums : weights.map(total).filter((sum) => sum > 0);
      if (traits.weightSum === null) expect(Math.max(...all) - Math.min(...all)).toBeGreaterThan(1e-3);
      else for (const sum of sums) expect(sum).toBeCloseTo(traits.weightSum, 5);
    });

    it('balances exactly in training where it says so, and only there', async () => {
      const traits = routerTraits(options);
      const { counts } = await seen(options, true, await batch());
      expect(Math.max(...counts) - Math.min(...counts) <= 1).toBe(traits.exactBalance);
    });

    it('takes the k largest of what it selects by where it says so', async () => {
      const traits = routerTraits(options);
      const k = topKFor(traits, { experts: EXPERTS, topK: 2 });
      const { experts, selection } = await seen(options, false, await batch());
      const largest = experts.every((own, token) => {
        const order = descending(selection[token]!).slice(0, k);
        return own.length === k && own.every((expert, slot) => expert === EXPERTS || expert === order[slot]);
      });
      // adamoe does as well, of experts and null experts, which are no experts to choose from.
      expect(largest).toBe(traits.takesLargest || options.kind === 'adamoe');
    });

    it('routes a token by itself in evaluation where it says so, and only there', async () => {
      const traits = routerTraits(options);
      const rows = await batch();
      // Alike tokens want one expert, which may have no room for all of them.
      const x = rows.map((row, token) => (token % 2 === 0 ? row : rows[1]!));
      const together = await seen(options, false, x);
      const alone: Seen[] = [];
      for (const row of x) alone.push(await seen(options, false, [row]));
      const filled = ({ experts }: Seen, token: number): number[] => experts[token]!.filter((e) => e < EXPERTS);
      const same = alone.every((own, token) => String(filled(own, 0)) === String(filled(together, token)));
      expect(same).toBe(traits.reads.evaluation === 'token');
    });

    it('routes alike in training and evaluation where it says so', async () => {
      const traits = routerTraits(options);
      const x = await batch();
      const [training, evaluation] = [await seen(options, true, x), await seen(options, false, x)];
      expect(JSON.stringify(training.experts) === JSON.stringify(evaluation.experts)).toBe(traits.alike);
    });

    it('has loss terms that are means over tokens, unless it says otherwise', async () => {
      const traits = routerTraits(options);
      const x = (await batch()).map((row) => row.map((value) => value / 30));
      const whole = await termsOf(options, x, { first: 0, tokens: TOKENS });
      const first = await termsOf(options, x.slice(0, TOKENS / 2), { first: 0, tokens: TOKENS });
      const second = await termsOf(options, x.slice(TOKENS / 2), { first: TOKENS / 2, tokens: TOKENS });
      const areMeans = whole.every((term, i) => {
        const mean = (first[i]! + second[i]!) / 2;
        return Math.abs(term - mean) <= 1e-4 * Math.max(Math.abs(term), Math.abs(mean));
      });
      expect(areMeans).toBe(!traits.pooledLosses);
    });

    it('names the tensors that have a row for each expert, where experts can be exchanged', () => {
      const traits = routerTraits(options);
      const shape = { hidden: 5, experts: 12, topK: topKFor(traits, { experts: 12, topK: 2 }) };
      const router = makeRouter(options, shape);
      const rows = [...router.parameters, ...router.buffers].filter(([, tensor]) => tensor.shape[0] === 12);
      expect(traits.expertTensors.toSorted()).toEqual(rows.map(([name]) => name).sort());
      dispose(router);
    });

    it('pools nothing where no term that does has a weight', async () => {
      const weightless = Object.fromEntries(
        Object.entries(options).map(([field, value]) => [field, field.endsWith('Weight') ? 0 : value]),
      ) as unknown as RouterOptions;
      const x = await batch();
      const terms = await termsOf(weightless, x, { first: 0, tokens: TOKENS });
      if (terms.length === 0 && options.kind !== 'noisyTopK') expect(routerTraits(weightless).pooledLosses).toBe(false);
      else expect(routerTraits(weightless).pooledLosses).toBe(routerTraits(options).pooledLosses);
    });
  },
);
