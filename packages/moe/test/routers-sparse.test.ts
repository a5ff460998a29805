/** Methods with a varying number of experts a token, with a table, and with cosines, against their equations. */
import { assign, backward, multiply, scope, sum, tensor } from '@lpr/tensor';
import { describe, expect, it } from 'vitest';
import { expectedExperts, resolveRouter, smoothStep } from '../src/index.ts';
import { dispose, normal, onLogits, routed, total } from './routed.ts';
import { device, dot, loadOf, makeRouter, mean, softmax, toMatrix, toTensor } from './support.ts';

describe('dselectK', () => {
  it('steps smoothly from 0 to 1', async () => {
    const xs = [-2, -0.5, -0.25, 0, 0.1, 0.5, 3];
    const got = await scope(device, () => smoothStep(tensor(device, xs), 1).data());
    const expected = xs.map((x) => (x <= -0.5 ? 0 : x >= 0.5 ? 1 : -2 * x ** 3 + 1.5 * x + 0.5));
    expected.forEach((y, i) => expect(got[i]).toBeCloseTo(y, 6));
  });

  it.each([4, 6])('adds up what its selectors take of %d experts', async (experts) => {
    const router = makeRouter(resolveRouter('dselectK'), { hidden: 3, experts, topK: 2 });
    const bits = experts === 4 ? 2 : 3;
    const selector = await normal(2 * bits, 3, 10, 0.3);
    const mixture = await normal(2, 3, 11);
    assign(router.parameters.get('selector.weight')!, selector.flat());
    assign(router.parameters.get('mixture.weight')!, mixture.flat());
    const x = await normal(5, 3, 12);
    const read = await routed(router, x, { training: true });
    let entropy = 0;
    x.forEach((row, t) => {
      const dense = Array.from({ length: experts }, () => 0);
      const shares = softmax(mixture.map((w) => dot(w, row)));
      for (const s of [0, 1]) {
        const own = Array.from({ length: experts }, () => 0);
        const a = selector.slice(s * bits, (s + 1) * bits).map((w) => {
          const value = Math.max(-0.5, Math.min(0.5, dot(w, row)));
          return -2 * value ** 3 + 1.5 * value + 0.5;
        });
        for (let code = 0; code < 2 ** bits; code++) {
          const r = a.reduce((product, bit, j) => product * ((code >> j) & 1 ? bit : 1 - bit), 1);
          own[code % experts]! += r;
        }
        own.forEach((r, e) => {
          dense[e]! += shares[s]! * r;
          entropy -= r * Math.log(r + 1e-6);
        });
      }
      read.experts[t]!.forEach((e, j) => expect(read.weights[t]![j]).toBeCloseTo(dense[e] ?? 0, 5));
      expect(read.experts[t]!.filter((e) => e < experts).length).toBe(dense.filter((w) => w > 0).length);
    });
    expect(read.losses['entropy']).toBeCloseTo(entropy / 5, 4);
    dispose(router);
  });
});

describe('remoe', () => {
  it('uses the experts whose gate is open, and tightens or loosens with their number', async () => {
    const router = onLogits(resolveRouter('remoe', { initialPenalty: 0.5 }), 3, 1);
    const x = [
      [1, -1, 2],
      [-1, -2, -3],
      [0, 0.5, -1],
    ];
    const { experts, weights, counts, losses, unused } = await routed(router, x, { training: true });
    expect(experts).toEqual([
      [2, 0, 3],
      [3, 3, 3],
      [1, 3, 3],
    ]);
    expect(weights[0]).toEqual([2, 1, 0]);
    expect(counts).toEqual([1, 1, 1]);
    expect(unused).toEqual({ inactive: 6 });
    // f_e = M / (k N) tokens = 1 for each, mean gates 1/3, 0.5/3, 2/3.
    expect(losses['activation']).toBeCloseTo(0.5 * (3.5 / 3), 6);
    const step = async (load: number[], tokens: number): Promise<number> => {
      scope(device, () => router.afterStep(loadOf(load, tokens)));
      return router.buffers.get('penalty')!.item();
    };
    expect(await step([1, 1, 1], 3)).toBeCloseTo(0.5, 6);
    expect(await step([3, 2, 2], 6)).toBeCloseTo(0.6, 6);
    expect(await step([1, 1, 0], 3)).toBeCloseTo(0.5, 6);
    dispose(router);
  });

  it('tightens again after it was loose for long, and the other way round', async () => {
    for (const [initialPenalty, load, back] of [
      [1e-8, [1, 1, 0], [2, 2, 2]],
      [1e-8, [2, 2, 2], [1, 1, 0]],
      [1e-14, [1, 1, 0], [2, 2, 2]],
    ] as const) {
      const router = onLogits(resolveRouter('remoe', { initialPenalty }), 3, 1);
      const penalty = router.buffers.get('penalty')!;
      const step = async (counts: readonly number[]): Promise<number> => {
        scope(device, () => router.afterStep(loadOf(counts, 3)));
        return penalty.item();
      };
      let bound = 0;
      for (let i = 0; i < 500; i++) bound = await step(load);
      expect(bound).toBeGreaterThanOrEqual(Math.fround(1e-14));
      expect(bound).toBeLessThanOrEqual(1e4);
      const growth = (await step(back)) / bound;
      expect(growth).toBeCloseTo(back[0] === 2 ? 1.2 : 1 / 1.2, 5);
      dispose(router);
    }
  });
});

describe('adamoe', () => {
  it('leaves slots of null experts empty and shares their load', async () => {
    const router = makeRouter(resolveRouter('adamoe', { nullExperts: 2 }), { hidden: 4, experts: 2, topK: 2 });
    assign(router.parameters.get('weight')!, [1, 0, 0, 0, 0, 1, 0, 0]);
    assign(router.parameters.get('null.weight')!, [0, 0, 1, 0, 0, 0, 0, 1]);
    const x = [
      [3, 2, 1, 0],
      [1, 0, 3, 2],
      [2, 0, 1, 3],
      [0, 1, 2, -1],
    ];
    const read = await routed(router, x, { training: true });
    expect(read.experts).toEqual([
      [0, 1],
      [2, 2],
      [2, 0],
      [2, 1],
    ]);
    expect(read.counts).toEqual([2, 2]);
    expect(read.unused).toEqual({ null: 4 });
    const p = x.map(softmax);
    expect(read.weights[0]![0]).toBeCloseTo(p[0]![0]! / (p[0]![0]! + p[0]![1]!), 5);
    expect(read.weights.slice(1)).toEqual([
      [0, 0],
      [0, 1],
      [0, 1],
    ]);
    const fractions = [2, 2, 2, 2].map((count) => count / 4);
    const expected = 4 * total(fractions.map((f, e) => f * mean(p.map((row) => row[e]!))));
    expect(read.losses['loadBalancing']).toBeCloseTo(expected, 5);
    dispose(router);
  });

  it('gives the experts among the chosen weights of sum 1 however much more probable null experts are', async () => {
    const router = makeRouter(resolveRouter('adamoe', { nullExperts: 1 }), { hidden: 2, experts: 3, topK: 3 });
    for (const gap of [0, 60, 90, 1e6]) {
      assign(router.parameters.get('weight')!, [-2000, 0, 0, 0, -1, 0]);
      assign(router.parameters.get('null.weight')!, [gap, 0]);
      const { experts, weights } = await routed(router, [[1, 0]], { training: true });
      expect(experts).toEqual([gap === 0 ? [1, 3, 2] : [3, 1, 2]]);
      const [larger, smaller] = softmax([0, -1]);
      const expected = gap === 0 ? [larger, 0, smaller] : [0, larger, smaller];
      weights[0]!.forEach((weight, slot) => expect(weight).toBeCloseTo(expected[slot]!, 6));
    }
    dispose(router);
  });

  it('gives no weight, and no gradient of it, to tokens that chose null experts alone', async () => {
    const options = resolveRouter('adamoe', { nullExperts: 2, loadBalancingWeight: 0 });
    const router = makeRouter(options, { hidden: 2, experts: 2, topK: 2 });
    const weight = router.parameters.get('weight')!;
    assign(weight, [0, 1, 1, 0]);
    assign(router.parameters.get('null.weight')!, [50, -1, 40, -1]);
    const x = [
      [1, 0],
      [0, 1],
    ];
    await scope(device, async () => {
      const { experts, weights } = router.route(toTensor(x), { training: true });
      const [none, both] = await toMatrix(weights);
      expect(none).toEqual([0, 0]);
      softmax([1, 0]).forEach((value, slot) => expect(both![slot]).toBeCloseTo(value, 6));
      expect(Array.from(await experts.data())).toEqual([2, 2, 0, 1]);
      backward(
        sum(
          multiply(
            weights,
            toTensor([
              [3, 5],
              [1, 0],
            ]),
          ),
        ),
      );
    });
    const [first, second] = softmax([1, 0]) as [number, number];
    // d w0 / d logit0 = w0 w1, of the second token alone, whose x is [0, 1].
    const gradients = await toMatrix(weight.grad!);
    [
      [0, first * second],
      [0, -first * second],
    ].forEach((row, e) => row.forEach((value, d) => expect(gradients[e]![d]).toBeCloseTo(value, 6)));
    dispose(router);
  });

  it('is expected to send to experts what null experts do not get of even loads', () => {
    const shape = { experts: 12, topK: 4 };
    expect(expectedExperts(resolveRouter('adamoe', { nullExperts: 4 }), shape)).toBe(3);
    expect(expectedExperts(resolveRouter('remoe'), shape)).toBe(4);
  });
});

describe('hash', () => {
  it('routes by a balanced table of the vocabulary', async () => {
    const router = makeRouter(resolveRouter('hash', { vocabulary: 12 }), { hidden: 2, experts: 4, topK: 3 });
    const ids = tensor(
      device,
      Int32Array.from({ length: 12 }, (_, i) => i),
      [12],
    );
    const x = await normal(12, 2, 13);
    const { experts, counts, weights } = await routed(router, x, { training: true, tokenIds: ids });
    expect(counts).toEqual([9, 9, 9, 9]);
    for (const column of [0, 1, 2]) {
      const own = experts.map((row) => row[column]!);
      expect([0, 1, 2, 3].map((e) => own.filter((c) => c === e).length)).toEqual([3, 3, 3, 3]);
    }
    expect(new Set(experts.map((row) => row.join())).size).toBeGreaterThan(4);
    expect(weights.flat().every((w) => Math.abs(w - 1 / 3) < 1e-6)).toBe(true);
    scope(device, () =>
      expect(() => router.route(toTensor(x), { training: true })).toThrow('give context.tokenIds, i32 [12], got none'),
    );
    ids.dispose();
    dispose(router);
  });
});

describe('xmoe', () => {
  it('starts from embeddings on the unit sphere', async () => {
    const router = makeRouter(resolveRouter('xmoe'), { hidden: 4, experts: 6, topK: 1 });
    const rows = await toMatrix(router.parameters.get('expert_embeddings')!);
    for (const row of rows) expect(total(row.map((x) => x * x))).toBeCloseTo(1, 5);
    dispose(router);
  });

  it('scores by cosine times a learned temperature that is held below 100', async () => {
    const router = makeRouter(resolveRouter('xmoe', { projectionDim: 3 }), { hidden: 4, experts: 5, topK: 2 });
    const x = await normal(6, 4, 14);
    const projection = await toMatrix(router.parameters.get('projection.weight')!);
    const embeddings = await toMatrix(router.parameters.get('expert_embeddings')!);
    const norm = (v: readonly number[]): number => Math.sqrt(dot(v, v));
    for (const [temperature, scale] of [
      [Math.LN2, 2],
      [9, 100],
    ] as const) {
      assign(router.parameters.get('temperature')!, [temperature]);
      await routed(router, x, { training: true }, async ({ scores }) => {
        (await toMatrix(scores)).forEach((row, t) => {
          const latent = projection.map((w) => dot(w, x[t]!));
          row.forEach((score, e) => {
            const cosine = dot(latent, embeddings[e]!) / (norm(latent) * norm(embeddings[e]!));
            expect(score).toBeCloseTo(scale * cosine, 2);
          });
        });
      });
    }
    dispose(router);
  });
});
