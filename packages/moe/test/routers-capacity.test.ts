/** Methods in which an expert takes no more than so many tokens, against their equations. */
import { backward, ones, scope, segmentPlan, sum, tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { describe, expect, it } from 'vitest';
import { expertParameters, MoeLayer, resolveRouter, routerMethods, runExperts } from '../src/index.ts';
import { capacityOf } from '../src/capacity.ts';
import { descending, dispose, normal, onLogits, routed, total } from './routed.ts';
import { device, key, makeRouter, mean, softmax, toMatrix, toTensor } from './support.ts';

describe('resolveRouter', () => {
  it('changes defaults and names what does not fit', () => {
    expect(resolveRouter('switch', { jitter: 0 })).toEqual({ ...routerMethods.switch.defaults, jitter: 0 });
    expect(() => resolveRouter('switch', { jitter: 2 })).toThrow('switch: jitter must be a number from 0 to 1, got 2');
    expect(() => resolveRouter('swich' as never)).toThrow('router kind must be one of latentPrototype, topKSoftmax');
    expect(() => resolveRouter('adamoe', { nullExperts: 0 })).toThrow(
      'nullExperts must be a whole number from 1 to 2147483647, got 0',
    );
    expect(() => makeRouter(resolveRouter('switch'), { hidden: 4, experts: 4, topK: 2 })).toThrow(
      'switch router: topK must be 1 for this method, got 2',
    );
  });
});

describe('capacityOf', () => {
  it('is the ceiling of the factor as it is written, not of its binary neighbour', () => {
    expect(capacityOf(1.1, 100, 1, 10)).toBe(11);
    expect(capacityOf(1.1, 101, 1, 10)).toBe(12);
    expect(capacityOf(0.07, 100, 1, 1)).toBe(7);
    expect(capacityOf(1.25, 27, 2, 6)).toBe(12);
    expect(capacityOf(2, 5, 1, 10)).toBe(1);
  });
});

describe('switch', () => {
  it('drops the tokens for which an expert has no place, in the order of the batch', async () => {
    const router = onLogits(resolveRouter('switch', { capacityFactor: 1, jitter: 0 }), 2, 1);
    const x = [
      [3, 0],
      [2, 0],
      [0, 1],
      [1, 0],
      [4, 0],
    ];
    const training = await routed(router, x, { training: true });
    // ceil(5 / 2) = 3 places: the fourth token for expert 0 is the last one.
    expect(training.experts).toEqual([[0], [0], [1], [0], [2]]);
    expect(training.counts).toEqual([3, 1]);
    expect(training.unused).toEqual({ dropped: 1 });
    training.weights.forEach(([w], t) => expect(w).toBeCloseTo(t === 4 ? 0 : Math.max(...softmax(x[t]!)), 5));
    const evaluation = await routed(router, x, { training: false });
    expect(evaluation.experts.flat()).toEqual([0, 0, 1, 0, 0]);
    expect(evaluation.unused).toEqual({ dropped: 0 });
    // f counts the choices before any is dropped.
    const p = x.map(softmax);
    const auxiliary = 2 * (0.8 * mean(p.map(([a]) => a!)) + 0.2 * mean(p.map(([, b]) => b!)));
    expect(training.losses['loadBalancing']).toBeCloseTo(auxiliary, 5);
    expect(training.losses['z']).toBeCloseTo(mean(x.map((row) => Math.log(total(row.map(Math.exp))) ** 2)), 4);
    dispose(router);
  });

  it('jitters what the router reads, in training only', async () => {
    const router = onLogits(resolveRouter('switch', { jitter: 0.5 }), 2, 1);
    const noise = toTensor([[0, 1]]);
    const read = await routed(router, [[1, 1]], { training: true, noise }, async ({ logits }) => {
      expect((await toMatrix(logits!))[0]).toEqual([0.5, 1.5]);
    });
    expect(read.experts).toEqual([[1]]);
    await routed(router, [[1, 1]], { training: false }, async ({ logits }) => {
      expect((await toMatrix(logits!))[0]).toEqual([1, 1]);
    });
    noise.dispose();
    dispose(router);
  });
});

describe('gshard', () => {
  it('serves first choices before second ones and keeps the second at random', async () => {
    const router = onLogits(resolveRouter('gshard'), 4, 2);
    const x = [
      [2, 1, 0, -1],
      [1, 2, 0, -1],
      [0, 1, 2, -1],
      [0, 3, 1, -1],
    ];
    // 2 * 4 / 4 = 2 places an expert. Expert 1 is first choice of tokens 1 and 3, and is full for the second choices of
    // 0 and 2.
    const read = await routed(router, x, { training: false });
    expect(read.experts).toEqual([
      [0, 4],
      [1, 0],
      [2, 4],
      [1, 2],
    ]);
    expect(read.counts).toEqual([2, 2, 2, 0]);
    expect(read.unused).toEqual({ inactive: 0, dropped: 2 });
    const weights = x.map((row) => {
      const [first = 0, second = 0] = softmax(row).sort((a, b) => b - a);
      return [first / (first + second), second / (first + second)];
    });
    read.weights.forEach((row, t) =>
      row.forEach((w, j) => expect(w).toBeCloseTo(read.experts[t]![j] === 4 ? 0 : weights[t]![j]!, 5)),
    );
    // Seconds have weights of 0.27, 0.27, 0.27, 0.12: kept below 0.54 and 0.24.
    const noise = toTensor([[0.5], [0.6], [0.6], [0.2]]);
    const random = await routed(router, x, { training: true, noise });
    expect(random.experts.map(([, second]) => second)).toEqual([4, 4, 4, 2]);
    expect(random.unused).toEqual({ inactive: 2, dropped: 1 });
    const p = x.map(softmax);
    const first = [1, 2, 1, 0];
    const auxiliary = 4 * total([0, 1, 2, 3].map((e) => (first[e]! / 4) * mean(p.map((row) => row[e]!))));
    expect(random.losses['loadBalancing']).toBeCloseTo(auxiliary, 5);
    noise.dispose();
    dispose(router);
  });
});

describe('expertChoice', () => {
  it('lets each expert take its best tokens, and runs them as any other choice', async () => {
    const router = onLogits(resolveRouter('expertChoice'), 4, 2);
    const x = await normal(10, 4, 9, 2);
    const p = x.map(softmax);
    const takes = [0, 1, 2, 3].map((e) => descending(p.map((row) => row[e]!)).slice(0, 5));
    const { experts, weights, counts, unused } = await routed(router, x, { training: true }, async (routing) => {
      // Rows that experts see: the 20 choices, and one place for all empty slots.
      expect(routing.plan.count).toBe(21);
      const parameters = createParameters(device, expertParameters({ hidden: 4, experts: 4, width: 3 }), key);
      const [gateUp, down] = [parameters.get('gate_up_proj')!, parameters.get('down_proj')!];
      const input = toTensor(x);
      const got = await toMatrix(runExperts(input, gateUp, down, routing.weights, routing.plan));
      const single = await Promise.all(
        [0, 1, 2, 3].map((e) => {
          const all = tensor(
            device,
            Int32Array.from({ length: 10 }, () => e),
            [10, 1],
          );
          return toMatrix(runExperts(input, gateUp, down, ones(device, [10, 1]), segmentPlan(all, 4)));
        }),
      );
      got.forEach((row, t) =>
        row.forEach((value, d) => {
          const expected = total(takes.map((tokens, e) => (tokens.includes(t) ? p[t]![e]! * single[e]![t]![d]! : 0)));
          expect(value).toBeCloseTo(expected, 5);
        }),
      );
      parameters.forEach((each) => each.dispose());
    });
    expect(counts).toEqual([5, 5, 5, 5]);
    expect(unused).toEqual({ inactive: 20 });
    experts.forEach((slots, t) => {
      const own = [0, 1, 2, 3].filter((e) => takes[e]!.includes(t)).sort((a, b) => p[t]![b]! - p[t]![a]!);
      expect(slots.filter((e) => e < 4)).toEqual(own);
      own.forEach((e, j) => expect(weights[t]![j]).toBeCloseTo(p[t]![e]!, 5));
    });
    dispose(router);
  });
});

describe('experts behind empty slots', () => {
  it('get no gradient from them, and give none to the token', async () => {
    const before = device.memory.liveBuffers;
    const router = onLogits(resolveRouter('remoe'), 3, 1);
    const parameters = createParameters(device, expertParameters({ hidden: 3, experts: 3, width: 2 }), key);
    const gradients = await scope(device, async () => {
      // Token 1 opens no gate; expert 1 gets no token.
      const x = toTensor([
        [1, -1, 2],
        [-1, -2, -3],
      ]);
      const { output } = new MoeLayer(router, parameters).forward(x, { training: true });
      expect((await toMatrix(output))[1]).toEqual([0, 0, 0]);
      backward(sum(output));
      return Promise.all([...parameters.values()].map(async ({ grad }) => Array.from(await grad!.data())));
    });
    for (const gradient of gradients) {
      const size = gradient.length / 3;
      expect(gradient.every(Number.isFinite)).toBe(true);
      expect(gradient.slice(size, 2 * size).every((g) => g === 0)).toBe(true);
      expect(gradient.some((g) => g !== 0)).toBe(true);
    }
    parameters.forEach((each) => each.dispose());
    dispose(router);
    expect(device.memory.liveBuffers).toBe(before);
  });
});
