/**
 * A layer of experts behind every router: its output is the sum over slots that the routing describes, whatever the
 * method, and it trains.
 */
import { expertParameters, MoeLayer, statisticsOf } from '@lpr/moe';
import { contextOf, disposeRouter, makeRouter } from '@lpr/moe/testing';
import {
  add,
  affine,
  backward,
  createWasmDevice,
  multiply,
  parameter,
  RandomKey,
  randomNormal,
  scope,
  sum,
  type Tensor,
} from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { afterAll, describe, expect, it } from 'vitest';
import { routerCases } from './routers.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const hidden = 6;
const experts = 5;
const width = 4;
const tokens = 13;
const key = RandomKey.fromSeed(4);

async function rowsOf(x: Tensor): Promise<number[][]> {
  const data = Array.from(await x.data());
  const columns = x.shape[1]!;
  return Array.from({ length: x.shape[0]! }, (_, i) => data.slice(i * columns, (i + 1) * columns));
}

/** `down(silu(gate x) * up x)` of one expert, by loops over the stacked weights. */
function expertOf(gateUp: ArrayLike<number>, down: ArrayLike<number>, e: number, x: readonly number[]): number[] {
  const row = (i: number): number =>
    x.reduce((total, value, j) => total + gateUp[(e * 2 * width + i) * hidden + j]! * value, 0);
  const inner = Array.from({ length: width }, (_, i) => (row(i) / (1 + Math.exp(-row(i)))) * row(width + i));
  return x.map((_, j) => inner.reduce((total, value, i) => total + down[(e * hidden + j) * width + i]! * value, 0));
}

describe.for(routerCases.map((routerCase) => [routerCase.name, routerCase] as const))('%s', ([, { options }]) => {
  it('gives the sum that its routing describes, finite gradients, and nothing to clean up', async () => {
    const router = makeRouter(device, options, { hidden, experts, topK: 2 }, 8);
    const weights = createParameters(device, expertParameters({ hidden, experts, width }), key);
    const [gateUp, down] = [await weights.get('gate_up_proj')!.data(), await weights.get('down_proj')!.data()];
    const layer = new MoeLayer(router, weights);
    // Twice, since the second step meets what the first one updated.
    for (let step = 0; step < 2; step++) {
      await scope(device, async () => {
        const x = parameter(randomNormal(device, [tokens, hidden], key.fold(step), 3));
        const rows = await rowsOf(x);
        const { output, routing } = layer.forward(x, contextOf(device, rows, true));
        const [got, chosen, shares] = await Promise.all([output, routing.experts, routing.weights].map(rowsOf));
        const inputs = await rowsOf(routing.expertInput ?? x);
        const through = routing.passThrough && (await routing.passThrough.data());
        rows.forEach((row, t) => {
          const expected = row.map((value) => (through?.[t] ?? 0) * value);
          chosen![t]!.forEach((e, slot) => {
            if (e === experts) return;
            expertOf(gateUp, down, e, inputs[t]!).forEach((value, j) => {
              expected[j]! += shares![t]![slot]! * value;
            });
          });
          expected.forEach((value, j) => expect(Math.abs(got![t]![j]! - value)).toBeLessThan(1e-4));
        });
        const objective = routing.losses.reduce(
          (total, { value, weight }) => add(total, affine(value, weight)),
          sum(multiply(output, output)),
        );
        backward(objective);
        for (const each of [...router.parameters.values(), ...weights.values(), x]) {
          const gradient = each.grad === null ? [] : Array.from(await each.grad.data());
          expect(gradient.every(Number.isFinite)).toBe(true);
          each.grad?.dispose();
          each.grad = null;
        }
        router.afterStep(statisticsOf(routing));
        for (const buffer of [...router.parameters.values(), ...router.buffers.values()]) {
          expect((await buffer.data()).every(Number.isFinite)).toBe(true);
        }
        x.dispose();
      });
    }
    disposeRouter(router);
    weights.forEach((each) => each.dispose());
    expect(device.memory.liveBuffers).toBe(0);
  });
});
