import { RandomKey, randomNormal, scope, segmentPlan, tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { describe, expect, it } from 'vitest';
import {
  expertParameters,
  loadBalancingLosses,
  MoeLayer,
  createRouter,
  type Routing,
  runExperts,
} from '../src/index.ts';
import { device, dot, key, makeRouter, type Matrix, mean, softmax, toMatrix, toTensor } from './support.ts';

const hidden = 6;
const width = 5;
const experts = 4;
const tokens = 9;
const shape = { hidden, experts, topK: 2 };

/** `down(silu(gate x) * up x)` by loops. */
function expert(x: readonly number[], gateUp: Matrix, down: Matrix): number[] {
  const inner = Array.from({ length: width }, (_, i) => {
    const gate = dot(gateUp[i]!, x);
    return (gate / (1 + Math.exp(-gate))) * dot(gateUp[width + i]!, x);
  });
  return down.map((row) => dot(row, inner));
}

describe('runExperts', () => {
  it('adds up what each chosen expert makes of a token, also when an expert has none', async () => {
    const chosen = Array.from({ length: tokens }, (_, t) => [t % 3, (t + 1) % 3]);
    const weights = chosen.map((_, t) => [0.1 * t, 1 - 0.05 * t]);
    const weightTensors = createParameters(device, expertParameters({ hidden, experts, width }), key);
    const gateUp = weightTensors.get('gate_up_proj')!;
    const down = weightTensors.get('down_proj')!;
    const { x, y } = await scope(device, async () => {
      const input = randomNormal(device, [tokens, hidden], key, 20);
      const plan = segmentPlan(tensor(device, Int32Array.from(chosen.flat()), [tokens, 2]), experts);
      const output = runExperts(input, gateUp, down, toTensor(weights), plan);
      return { x: await toMatrix(input), y: await toMatrix(output) };
    });
    const gateUpData = await gateUp.data();
    const downData = await down.data();
    const rows = (data: ArrayLike<number>, e: number, height: number, columns: number): number[][] =>
      Array.from({ length: height }, (_, i) =>
        Array.from({ length: columns }, (_, j) => data[(e * height + i) * columns + j]!),
      );
    x.forEach((token, t) => {
      const results = chosen[t]!.map((e) =>
        expert(token, rows(gateUpData, e, 2 * width, hidden), rows(downData, e, hidden, width)),
      );
      for (let i = 0; i < hidden; i++) {
        expect(y[t]![i]).toBeCloseTo(
          dot(
            weights[t]!,
            results.map((result) => result[i]!),
          ),
          5,
        );
      }
    });
    weightTensors.forEach((tensor) => tensor.dispose());
  });
});

describe('an expert of a layer by itself', () => {
  it.each([null, 3])('makes of every token what the layer adds up of it; latent width %s', async (latentDim) => {
    const router = makeRouter({ kind: 'topKSoftmax', renormalize: true }, shape);
    const weights = createParameters(device, expertParameters({ hidden, experts, width, latentDim }), key);
    const layer = new MoeLayer(router, weights);
    await scope(device, async () => {
      const x = randomNormal(device, [tokens, hidden], key, 40);
      const { output, routing } = layer.forward(x, { training: false });
      const [whole, chosen, shares] = await Promise.all([output, routing.experts, routing.weights].map(toMatrix));
      const own = await Promise.all([0, 1, 2, 3].map((e) => toMatrix(layer.outputOf(e, x))));
      whole!.forEach((row, t) => {
        row.forEach((value, i) => {
          expect(value).toBeCloseTo(
            dot(
              shares![t]!,
              chosen![t]!.map((e) => own[e]![t]![i]!),
            ),
            5,
          );
        });
      });
      for (const wrong of [4, -1, 0.5]) {
        expect(() => layer.outputOf(wrong, x)).toThrow(`there is no expert ${wrong}; there are 4, counted from 0`);
      }
    });
    router.parameters.forEach((parameter) => parameter.dispose());
    weights.forEach((tensor) => tensor.dispose());
  });
});

describe('topKSoftmax', () => {
  it.each([true, false])('chooses the most probable experts; renormalize: %s', async (renormalize) => {
    const router = makeRouter({ kind: 'topKSoftmax', renormalize }, shape);
    await scope(device, async () => {
      const x = randomNormal(device, [tokens, hidden], key, 30);
      const routing = router.route(x, { training: true });
      const scores = await toMatrix(routing.scores);
      const weights = await toMatrix(routing.weights);
      const chosen = await toMatrix(routing.experts);
      scores.forEach((row, t) => {
        const probabilities = softmax(row);
        const order = row.map((_, e) => e).sort((a, b) => row[b]! - row[a]!);
        expect(chosen[t]).toEqual(order.slice(0, 2));
        const kept = chosen[t]!.map((e) => probabilities[e]!);
        const total = renormalize ? kept[0]! + kept[1]! : 1;
        kept.forEach((p, j) => expect(weights[t]![j]).toBeCloseTo(p / total, 5));
      });
    });
    router.parameters.forEach((parameter) => parameter.dispose());
  });

  it('says what is wrong with topK and with the width of x', () => {
    expect(() => makeRouter({ kind: 'topKSoftmax', renormalize: true }, { ...shape, topK: 5 })).toThrow(
      'topKSoftmax router: topK is 5, but there are only 4 experts',
    );
    expect(() => makeRouter({ kind: 'topKSoftmax', renormalize: true }, { ...shape, topK: 0 })).toThrow(
      'topK must be a whole number of at least 1, got 0',
    );
    const router = makeRouter({ kind: 'topKSoftmax', renormalize: true }, shape);
    scope(device, () => {
      expect(() => router.route(randomNormal(device, [tokens, 5], key), { training: false })).toThrow(
        'x must be [tokens, 6] with at least one token, got [9, 5]',
      );
    });
    router.parameters.forEach((parameter) => parameter.dispose());
  });
});

describe('loadBalancingLosses', () => {
  /** A routing of given probabilities, by a real router whose weight makes x its own logits. */
  async function routingsOf(seeds: readonly number[], use: (routings: Routing[]) => Promise<void>): Promise<void> {
    const identity = toTensor([0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => (i === j ? 1 : 0))));
    const router = createRouter(
      { kind: 'topKSoftmax', renormalize: true },
      { hidden: 4, experts: 4, topK: 2 },
      new Map([['weight', identity]]),
    );
    await scope(device, () =>
      use(
        seeds.map((seed) =>
          router.route(randomNormal(device, [tokens, 4], RandomKey.fromSeed(seed), seed === 0 ? 0 : 2), {
            training: true,
          }),
        ),
      ),
    );
    identity.dispose();
  }

  async function naive(routings: readonly Routing[]): Promise<number> {
    const probabilities = (await Promise.all(routings.map(({ scores }) => toMatrix(scores)))).flat().map(softmax);
    const chosen = (await Promise.all(routings.map(({ experts: picks }) => toMatrix(picks)))).flat();
    return [0, 1, 2, 3].reduce((total, e) => {
      const fraction = mean(chosen.map((row) => (row.includes(e) ? 1 : 0)));
      return total + 4 * fraction * mean(probabilities.map((row) => row[e]!));
    }, 0);
  }

  it('follows the equation, per layer and pooled', async () => {
    await routingsOf([1, 2, 3], async (routings) => {
      const perLayer = loadBalancingLosses(routings, 'layer');
      for (const [layer, routing] of routings.entries()) {
        expect(await perLayer[layer]!.item()).toBeCloseTo(await naive([routing]), 4);
      }
      const [pooled] = loadBalancingLosses(routings, 'pooled');
      expect(await pooled!.item()).toBeCloseTo(await naive(routings), 4);
    });
  });

  it('is k when all probabilities are equal', async () => {
    await routingsOf([0], async (routings) => {
      expect(await loadBalancingLosses(routings, 'pooled')[0]!.item()).toBeCloseTo(2, 5);
    });
  });
});

describe('MoeLayer', () => {
  it('gives exact counts and labels its parts for the profiler', async () => {
    const router = makeRouter({ kind: 'topKSoftmax', renormalize: true }, shape);
    const weights = createParameters(device, expertParameters({ hidden, experts, width }), key);
    const layer = new MoeLayer(router, weights);
    await scope(device, async () => {
      const { output, routing } = layer.forward(randomNormal(device, [tokens, hidden], key), { training: false });
      expect(output.shape).toEqual([tokens, hidden]);
      expect(output.node?.label).toBe('experts');
      expect(routing.scores.node?.label).toBe('router');
      const chosen = (await toMatrix(routing.experts)).flat();
      const counts = Array.from(await routing.plan.counts.data());
      expect(counts).toEqual([0, 1, 2, 3].map((e) => chosen.filter((choice) => choice === e).length));
    });
    [...router.parameters.values(), ...weights.values()].forEach((tensor) => tensor.dispose());
  });
});
