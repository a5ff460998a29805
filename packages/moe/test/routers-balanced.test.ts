/**
 * Methods that balance by a bias, prices or an assignment, against their equations. What all methods have in common is
 * in the property tests.
 */
import { add, assign, backward, parameter, scope, sum, zeros } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { describe, expect, it } from 'vitest';
import {
  balancedAssignment,
  balancedPrices,
  expertParameters,
  MoeLayer,
  mergeStatistics,
  resolveRouter,
  runExperts,
  sinkhornFactors,
  statisticsOf,
} from '../src/index.ts';
import { descending, dispose, normal, onLogits, routed, sigmoid, total } from './routed.ts';
import { device, dot, key, loadOf, makeRouter, type Matrix, mean, softmax, toMatrix, toTensor } from './support.ts';

describe('deepSeekV3', () => {
  it('chooses by biased score within the best groups, and weights by score alone', async () => {
    const router = onLogits(resolveRouter('deepSeekV3', { groups: 4, keptGroups: 2 }), 8, 3);
    const bias = [0.1, 0, 0.3, 0, 0.2, 0, 0.05, 0.4];
    assign(router.buffers.get('e_score_correction_bias')!, bias);
    const x = await normal(12, 8, 3);
    const { experts, weights } = await routed(router, x, { training: false });
    x.forEach((row, t) => {
      const scores = row.map(sigmoid);
      const merit = scores.map((s, e) => s + bias[e]!);
      const groups = [0, 1, 2, 3].map((g) => merit[2 * g]! + merit[2 * g + 1]!);
      const kept = descending(groups).slice(0, 2);
      const order = descending(merit.map((m, e) => (kept.includes(Math.floor(e / 2)) ? m : -Infinity)));
      expect(experts[t]).toEqual(order.slice(0, 3));
      const chosen = experts[t]!.map((e) => scores[e]!);
      chosen.forEach((s, j) => expect(weights[t]![j]).toBeCloseTo((2.5 * s) / total(chosen), 5));
    });
    expect(() => onLogits(resolveRouter('deepSeekV3', { groups: 3 }), 8, 3)).toThrow(
      'groups must divide the 8 experts',
    );
    expect(() => onLogits(resolveRouter('deepSeekV3', { groups: 8, keptGroups: 2 }), 8, 3)).toThrow(
      'hold at least topK',
    );
    dispose(router);
  });

  it('has the sequence-wise loss, and moves its bias against the load', async () => {
    const router = onLogits(resolveRouter('deepSeekV3', { biasRate: 0.25 }), 3, 2);
    const x = await normal(8, 3, 4);
    const { losses } = await routed(router, x, { training: true, sequence: 4 });
    const ofSequence = (rows: Matrix): number => {
      const scores = rows.map((row) => row.map(sigmoid));
      return total(
        [0, 1, 2].map((e) => {
          const f = (3 / (2 * 4)) * scores.filter((row) => descending(row).slice(0, 2).includes(e)).length;
          return f * mean(scores.map((row) => row[e]! / total(row)));
        }),
      );
    };
    expect(losses['sequenceBalance']).toBeCloseTo(mean([ofSequence(x.slice(0, 4)), ofSequence(x.slice(4))]), 5);
    scope(device, () => router.afterStep(loadOf([4, 3, 2])));
    expect(Array.from(await router.buffers.get('e_score_correction_bias')!.data())).toEqual([-0.25, 0, 0.25]);
    dispose(router);
  });
});

describe('deepSeekV3 with scores too small for f32', () => {
  it('shares them out as if they were larger, with finite gradients', async () => {
    const router = onLogits(resolveRouter('deepSeekV3'), 4, 2);
    await scope(device, async () => {
      const x = parameter(device, [-89, -89, -89, -89, -200, -200, -200, -200], [2, 4]);
      const { losses, weights } = router.route(x, { training: true });
      expect(await losses[0]!.value.item()).toBeCloseTo(1, 5);
      backward(add(sum(weights), losses[0]!.value));
      expect((await x.grad!.data()).every(Number.isFinite)).toBe(true);
      x.dispose();
    });
    dispose(router);
  });
});

describe('balancedPrices and balancedAssignment', () => {
  it('finds prices under which the k largest are balanced', async () => {
    const scores = (await normal(240, 6, 5)).map((row) => row.map((s, e) => sigmoid(s + e)));
    const loads = await scope(device, async () => {
      const prices = await balancedPrices(toTensor(scores), 2, toTensor([[0, 0, 0, 0, 0, 0]]), 20).data();
      expect(Math.abs(total(Array.from(prices)))).toBeLessThan(1e-5);
      const chosen = scores.map((row) => descending(row.map((s, e) => s - prices[e]!)).slice(0, 2)).flat();
      return [0, 1, 2, 3, 4, 5].map((e) => chosen.filter((c) => c === e).length);
    });
    // Without prices, expert 5 has nearly all tokens.
    for (const load of loads) expect(Math.abs(load - 80)).toBeLessThan(8);
  });

  it('leaves prices as they are where there is nothing to choose', async () => {
    await scope(device, async () => {
      const start = toTensor([[1, 2, 4]]);
      const all = toTensor([[3, 1, 2], [5, 9, 7]]); // biome-ignore format: scores
      expect(Array.from(await balancedPrices(all, 3, start, 5).data())).toEqual([1, 2, 4]);
      expect(Array.from(await balancedPrices(zeros(device, [0, 3]), 1, start, 5).data())).toEqual([1, 2, 4]);
    });
  });

  it('places tokens in order where no round is left, and lets only those apply for whom there is room', async () => {
    const assigned = (scores: Matrix, bidRounds: number): Promise<number[]> =>
      scope(device, async () =>
        Array.from(await balancedAssignment(toTensor(scores), { priceRounds: 0, bidRounds }).data()),
      );
    const alike = Array.from({ length: 7 }, () => [0, 0, 0]);
    expect(await assigned(alike, 0)).toEqual([0, 0, 0, 1, 1, 2, 2]);
    // All want expert 0, which takes the first token; in a second round the others get the better one of what is left.
    const scores = [[9, 0, 0], [8, 1, 5], [7, 5, 1]]; // biome-ignore format: scores
    expect(await assigned(scores, 1)).toEqual([0, 1, 2]);
    expect(await assigned(scores, 2)).toEqual([0, 2, 1]);
  });

  it('assigns exactly evenly, with nearly the largest total', async () => {
    /** The largest total of all balanced assignments of 6 tokens to 3 experts, by trying them. */
    const best = (scores: Matrix, t = 0, room: readonly number[] = [2, 2, 2]): number =>
      t === 6
        ? 0
        : Math.max(
            ...room.flatMap((places, e) =>
              places === 0 ? [] : [scores[t]![e]! + best(scores, t + 1, room.with(e, places - 1))],
            ),
          );
    for (let seed = 0; seed < 6; seed++) {
      // Expert 0 is everyone's favourite.
      const scores = (await normal(6, 3, seed)).map(([a, b, c]) => [a! + 2, b!, c!]);
      const assigned = await scope(device, () =>
        balancedAssignment(toTensor(scores), { priceRounds: 8, bidRounds: 8 }).data(),
      );
      expect([0, 1, 2].map((e) => assigned.filter((a) => a === e).length)).toEqual([2, 2, 2]);
      const got = total(scores.map((row, t) => row[assigned[t]!]!));
      expect(got).toBeLessThan(best(scores) + 1e-4);
      expect(got).toBeGreaterThan(best(scores) - 2);
    }
  });

  it.each([
    [64, 8],
    [250, 8],
  ])('comes near the bound that prices give, %d tokens to %d experts', async (tokens, experts) => {
    for (let seed = 0; seed < 2; seed++) {
      const scores = (await normal(tokens, experts, seed)).map((row) => row.map((s, e) => s + e / 4));
      const { assigned, prices } = await scope(device, async () => ({
        assigned: await balancedAssignment(toTensor(scores), { priceRounds: 8, bidRounds: 8 }).data(),
        prices: await balancedPrices(toTensor(scores), 1, zeros(device, [experts]), 50).data(),
      }));
      const loads = Array.from({ length: experts }, (_, e) => assigned.filter((a) => a === e).length);
      expect(loads).toEqual(loads.map((_, e) => Math.floor(tokens / experts) + (e < tokens % experts ? 1 : 0)));
      // Weak duality: no assignment of these loads has a larger total, whatever the prices.
      const bound =
        total(scores.map((row) => Math.max(...row.map((s, e) => s - prices[e]!)))) +
        total(loads.map((load, e) => load * prices[e]!));
      const got = total(scores.map((row, t) => row[assigned[t]!]!));
      expect(got).toBeLessThan(bound + 1e-3);
      // Scores have a standard deviation of 1.
      expect((bound - got) / tokens).toBeLessThan(0.1);
    }
  });
});

describe('quantileBalancing', () => {
  it('routes by the prices of earlier steps, found from all their micro-batches', async () => {
    const router = onLogits(resolveRouter('quantileBalancing'), 4, 2);
    const batches = [await normal(32, 4, 1), await normal(32, 4, 2)].map((rows) =>
      rows.map((row) => row.map((s, e) => s + e)),
    );
    const expected = await scope(device, async () => {
      const parts = batches.map((x) => {
        const routing = router.route(toTensor(x), { training: true });
        return [statisticsOf(routing)];
      });
      router.afterStep(mergeStatistics(parts)[0]!);
      const scores = toTensor(batches.flat().map((row) => row.map(sigmoid)));
      return Array.from(await balancedPrices(scores, 2, zeros(device, [4]), 4).data());
    });
    const prices = Array.from(await router.buffers.get('prices')!.data());
    prices.forEach((price, e) => expect(price).toBeCloseTo(expected[e]!, 5));
    const { counts } = await routed(router, batches[0]!, { training: false });
    expect(Math.max(...counts)).toBeLessThan(24);
    expect(Array.from(await router.buffers.get('prices')!.data())).toEqual(prices);
    dispose(router);
  });
});

describe('base', () => {
  it('starts from orthogonal centroids of length 0.1, mixes the token in, and is greedy in evaluation', async () => {
    const router = makeRouter(resolveRouter('base'), { hidden: 7, experts: 5, topK: 1 });
    const centroids = await toMatrix(router.parameters.get('expert_centroids')!);
    centroids.forEach((a, i) => centroids.forEach((b, j) => expect(dot(a, b)).toBeCloseTo(i === j ? 0.01 : 0, 6)));
    const experts = createParameters(device, expertParameters({ hidden: 7, experts: 5, width: 3 }), key);
    const x = await normal(10, 7, 6, 10);
    await scope(device, async () => {
      const input = toTensor(x);
      const { output, routing } = new MoeLayer(router, experts).forward(input, { training: false });
      const plain = runExperts(
        input,
        experts.get('gate_up_proj')!,
        experts.get('down_proj')!,
        routing.weights,
        routing.plan,
      );
      const [mixed, alone, chosen] = await Promise.all([output, plain, routing.experts].map(toMatrix));
      x.forEach((row, t) => {
        const scores = centroids.map((centroid) => dot(centroid, row));
        expect(chosen![t]).toEqual(descending(scores).slice(0, 1));
        const a = sigmoid(Math.max(...scores));
        row.forEach((value, d) => expect(mixed![t]![d]).toBeCloseTo(alone![t]![d]! + (1 - a) * value, 4));
      });
    });
    experts.forEach((each) => each.dispose());
    dispose(router);
  });
});

describe('sinkhorn', () => {
  it('finds the factors of experts by turns with those of tokens, to the constant', async () => {
    const logits = await normal(5, 3, 12);
    let ofExperts = [1, 1, 1];
    for (let round = 0; round < 4; round++) {
      const ofTokens = logits.map((row) => 1 / (5 * total(row.map((l, e) => Math.exp(l) * ofExperts[e]!))));
      ofExperts = [0, 1, 2].map((e) => 1 / (3 * total(logits.map((row, t) => Math.exp(row[e]!) * ofTokens[t]!))));
    }
    const factors = await scope(device, async () => Array.from(await sinkhornFactors(toTensor(logits), 4).data()));
    factors.forEach((factor, e) => expect(factor).toBeCloseTo(Math.log(ofExperts[e]!), 4));
  });

  it('scales rows and columns to their shares', async () => {
    const logits = await normal(40, 5, 7, 2);
    const factors = await scope(device, () => sinkhornFactors(toTensor(logits), 60).data());
    const scaled = logits.map((row) => softmax(row.map((s, e) => s + factors[e]!)));
    for (const e of [0, 1, 2, 3, 4]) expect(mean(scaled.map((row) => row[e]!))).toBeCloseTo(0.2, 4);
  });

  it('weights by the softmax, or for one expert by the sigmoid', async () => {
    const x = await normal(6, 4, 8);
    for (const k of [1, 2]) {
      const router = onLogits(resolveRouter('sinkhorn'), 4, k);
      const { experts, weights } = await routed(router, x, { training: false });
      x.forEach((row, t) => {
        expect(experts[t]).toEqual(descending(row).slice(0, k));
        experts[t]!.forEach((e, j) =>
          expect(weights[t]![j]).toBeCloseTo(k === 1 ? sigmoid(row[e]!) : softmax(row)[e]!, 5),
        );
      });
      dispose(router);
    }
  });
});
