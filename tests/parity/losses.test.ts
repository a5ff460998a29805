/** The auxiliary load-balancing loss in its four scopes, and the z-loss, of several layers. */
import {
  AUXILIARY,
  auxiliaryCounts,
  createRouter,
  loadBalancingLosses,
  type LoadBalancingScope,
  mergeStatistics,
  resolveRouter,
  type Routing,
  statisticsOf,
  zLoss,
} from '@lpr/moe';
import { add, backward, createWasmDevice, multiply, parameter, scope, slice, type Tensor, tensor } from '@lpr/tensor';
import { afterAll, expect, it } from 'vitest';
import { casesOf, Comparison } from './fixtures.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

it.for(casesOf('losses'))('%s', async ([, fixture]) => {
  const { info } = fixture;
  const [layers, sequence, topK] = [info['layers'], info['sequence'], info['topK']].map(Number) as [
    number,
    number,
    number,
  ];
  const lossScope = info['scope'] as LoadBalancingScope | 'z';
  const comparison = new Comparison(fixture);
  await scope(device, async () => {
    const logits = Array.from({ length: layers }, (_, i) => parameter(fixture.tensor(device, `in.logits.${i}`)));
    const experts = logits[0]!.shape[1]!;
    // Under the identity, tokens are their own logits.
    const identity = Float32Array.from({ length: experts ** 2 }, (_, i) => Number(i % (experts + 1) === 0));
    const router = createRouter(
      resolveRouter('topKSoftmax'),
      { hidden: experts, experts, topK },
      new Map([['weight', tensor(device, identity, [experts, experts])]]),
    );
    const routed = (first?: number, end?: number): Routing[] =>
      logits.map((x) => router.route(first === undefined ? x : slice(x, 0, first, end!), { training: true, sequence }));
    const lossesOf = (): Tensor[] => {
      if (lossScope === 'z') return routed().map((routing) => zLoss(routing.logits!));
      if (lossScope !== 'globalBatch') return loadBalancingLosses(routed(), lossScope, { sequence });
      const parts = (info['parts'] as readonly [number, number][]).map(([first, end]) => routed(first, end));
      const surveyed = parts.map((routings) =>
        routings.map((routing) => {
          const own = statisticsOf(routing);
          return { ...own, sums: { ...own.sums, [AUXILIARY]: auxiliaryCounts(routing) } };
        }),
      );
      const whole = mergeStatistics(surveyed);
      const each = parts.map((routings) => loadBalancingLosses(routings, 'globalBatch', { whole }));
      return logits.flatMap((_, layer) => each.map((losses) => losses[layer]!));
    };
    const losses = lossesOf();
    comparison.close('out.losses', await Promise.all(losses.map((loss) => loss.item())));
    const factors = fixture.values('in.ct');
    const objective = losses.map((loss, i) => multiply(loss, factors[i]!)).reduce((a, b) => add(a, b));
    comparison.close('out.objective', [await objective.item()]);
    backward(objective);
    for (const [i, x] of logits.entries()) comparison.close(`grad.in.logits.${i}`, await x.grad!.data());
    logits.forEach((x) => x.dispose());
  });
  comparison.reportUncompared();
  expect(comparison.problems).toEqual([]);
  expect(device.memory.liveBuffers).toBe(0);
});
