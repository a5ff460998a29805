/** The gates of the first mixtures, noisy top-k and the dense softmax, against their equations in plain loops. */
import { assign, backward, parameter, scope, sum, tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRouter, normalCdf, resolveRouter, routerParameters, squaredVariation } from '../src/index.ts';
import { descending, dispose, normal, onLogits, routed, total } from './routed.ts';
import { device, dot, key, makeRouter, type Matrix, softmax, toMatrix, toTensor } from './support.ts';

const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** By Simpson's rule, far more exact than f32. */
function phi(x: number): number {
  const end = Math.min(9, Math.abs(x));
  const steps = 400;
  let area = 0;
  for (let i = 0; i <= steps; i++)
    area += (i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2) * density((i * end) / steps);
  return 0.5 + (Math.sign(x) * area * end) / (3 * steps);
}

describe('normalCdf', () => {
  it('is the integral of the normal density, which is its gradient, also at and far from 0', async () => {
    const xs = [-1e20, -40, -6, -2.5, -1, -1e-3, 0, 1e-6, 0.3, 1, 3, 8, 1e15];
    await scope(device, async () => {
      const x = parameter(tensor(device, xs));
      const y = normalCdf(x);
      backward(sum(y));
      const [values, gradients] = [await y.data(), await x.grad!.data()];
      xs.forEach((at, i) => {
        expect(Math.abs(values[i]! - phi(at)), `${at}`).toBeLessThan(4e-7);
        expect(Math.abs(gradients[i]! - density(at)), `${at}`).toBeLessThan(1e-6);
      });
      x.grad!.dispose();
      x.dispose();
    });
  });
});

const squaredVariationOf = (sums: readonly number[]): number => {
  const average = total(sums) / sums.length;
  return total(sums.map((each) => (each - average) ** 2)) / sums.length / average ** 2;
};
const columnSums = (rows: Matrix): number[] => rows[0]!.map((_, e) => total(rows.map((row) => row[e]!)));

describe('squaredVariation', () => {
  it('is the variance of what experts get over the squared mean, and has its gradient', async () => {
    const share = fc.double({ min: 0.01, max: 3, noNaN: true });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(share, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 6 }),
        async (rows) => {
          await scope(device, async () => {
            const shares = parameter(toTensor(rows));
            const value = squaredVariation(shares, 'unused', undefined);
            backward(value);
            expect(await value.item()).toBeCloseTo(squaredVariationOf(columnSums(rows)), 5);
            const gradients = await toMatrix(shares.grad!);
            const moved = (t: number, e: number, by: number): number =>
              squaredVariationOf(
                columnSums(rows.map((row, i) => row.map((x, j) => (i === t && j === e ? x + by : x)))),
              );
            rows.forEach((row, t) =>
              row.forEach((_, e) =>
                expect(gradients[t]![e]).toBeCloseTo((moved(t, e, 1e-5) - moved(t, e, -1e-5)) / 2e-5, 3),
              ),
            );
            shares.grad!.dispose();
            shares.dispose();
          });
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('noisyTopK', () => {
  const hidden = 3;
  const experts = 5;
  const topK = 2;

  /** Both losses of tokens, from the definition: the threshold of e is the k-th largest of the others. */
  function lossesOf(x: Matrix, weight: Matrix, noiseWeight: Matrix, noise: Matrix): Record<string, number> {
    const gates: number[][] = [];
    const chances: number[][] = [];
    x.forEach((row, t) => {
      const clean = weight.map((w) => dot(w, row));
      const deviation = noiseWeight.map((w) => Math.log(1 + Math.exp(dot(w, row))) + 0.01);
      const h = clean.map((value, e) => value + noise[t]![e]! * deviation[e]!);
      const chosen = descending(h).slice(0, topK);
      const shares = softmax(chosen.map((e) => h[e]!));
      gates.push(h.map((_, e) => shares[chosen.indexOf(e)] ?? 0));
      chances.push(
        h.map((_, e) => {
          const others = h.filter((__, other) => other !== e).sort((a, b) => b - a);
          return phi((clean[e]! - others[topK - 1]!) / deviation[e]!);
        }),
      );
    });
    return { importance: squaredVariationOf(columnSums(gates)), load: squaredVariationOf(columnSums(chances)) };
  }

  it('routes by noisy scores, and balances importance and the estimated load with their gradients', async () => {
    const options = resolveRouter('noisyTopK');
    const router = makeRouter(options, { hidden, experts, topK });
    const [weight, noiseWeight] = [await normal(experts, hidden, 20), await normal(experts, hidden, 21)];
    const [x, noise] = [await normal(7, hidden, 22), await normal(7, experts, 23)];
    assign(router.parameters.get('weight')!, weight.flat());
    assign(router.parameters.get('noise.weight')!, noiseWeight.flat());
    await scope(device, async () => {
      const routing = router.route(toTensor(x), { training: true, noise: toTensor(noise) });
      const expected = lossesOf(x, weight, noiseWeight, noise);
      const chosen = await toMatrix(routing.experts);
      const weights = await toMatrix(routing.weights);
      x.forEach((row, t) => {
        const h = weight.map(
          (w, e) => dot(w, row) + noise[t]![e]! * (Math.log(1 + Math.exp(dot(noiseWeight[e]!, row))) + 0.01),
        );
        expect(chosen[t]).toEqual(descending(h).slice(0, topK));
        softmax(chosen[t]!.map((e) => h[e]!)).forEach((share, j) => expect(weights[t]![j]).toBeCloseTo(share, 5));
      });
      expect(routing.losses.map(({ name, weight: factor }) => [name, factor])).toEqual([
        ['importance', 0.1],
        ['load', 0.1],
      ]);
      for (const name of ['importance', 'load']) {
        const again = router.route(toTensor(x), { training: true, noise: toTensor(noise) });
        const { value } = again.losses.find((loss) => loss.name === name)!;
        expect(await value.item()).toBeCloseTo(expected[name]!, 5);
        backward(value);
        for (const [own, matrix] of [
          ['weight', weight],
          ['noise.weight', noiseWeight],
        ] as const) {
          const leaf = router.parameters.get(own)!;
          const gradients = await toMatrix(leaf.grad!);
          const at = (e: number, i: number, by: number): number => {
            const moved = matrix.map((row, a) => row.map((value, b) => (a === e && b === i ? value + by : value)));
            return lossesOf(x, own === 'weight' ? moved : weight, own === 'weight' ? noiseWeight : moved, noise)[name]!;
          };
          gradients.forEach((row, e) =>
            row.forEach((gradient, i) =>
              expect(gradient, `${name} by ${own}`).toBeCloseTo((at(e, i, 1e-5) - at(e, i, -1e-5)) / 2e-5, 3),
            ),
          );
          leaf.grad!.dispose();
          leaf.grad = null;
        }
      }
    });
    dispose(router);
  });

  it('starts at zeros, and is spread by noise alone; in evaluation it draws none', async () => {
    const shape = { hidden, experts, topK };
    const options = resolveRouter('noisyTopK');
    const tensors = createParameters(device, routerParameters(options, shape), key);
    for (const start of tensors.values()) expect(new Set(await start.data())).toEqual(new Set([0]));
    const router = createRouter(options, shape, tensors);
    const x = await normal(200, hidden, 24);
    const training = await routed(router, x, { training: true, noise: key });
    expect(Math.min(...training.counts)).toBeGreaterThan(50);
    const evaluation = await routed(router, x, { training: false });
    expect(evaluation.counts).toEqual([200, 200, 0, 0, 0]);
    expect(evaluation.losses).toEqual({});
    dispose(router);
  });

  it('has no load to balance where every token sees all experts', async () => {
    const router = makeRouter(resolveRouter('noisyTopK'), { hidden, experts: 3, topK: 3 });
    const { losses, counts } = await routed(router, await normal(4, hidden, 25), { training: true, noise: key });
    expect(Object.keys(losses)).toEqual(['importance']);
    expect(counts).toEqual([4, 4, 4]);
    dispose(router);
  });
});

describe('denseMixture', () => {
  it('mixes all experts by the softmax of their logits', async () => {
    const router = onLogits(resolveRouter('denseMixture'), 3, 3);
    const x = [
      [1, 3, 2],
      [0, -1, 0.5],
    ];
    const { experts, weights, counts } = await routed(router, x, { training: true });
    x.forEach((row, t) => {
      expect(experts[t]).toEqual(descending(row));
      experts[t]!.forEach((e, j) => expect(weights[t]![j]).toBeCloseTo(softmax(row)[e]!, 5));
    });
    expect(counts).toEqual([2, 2, 2]);
    dispose(router);
  });

  it('refuses any k but the number of experts', () => {
    expect(() => makeRouter(resolveRouter('denseMixture'), { hidden: 4, experts: 4, topK: 2 })).toThrow(
      'denseMixture router: topK must be 4, the number of experts, for this method, got 2',
    );
  });
});
