/** Latent experts do what whole experts do whose matrices are the products of theirs. */
import {
  add,
  backward,
  concatenate,
  createGpuDevice,
  type Device,
  matmul,
  multiply,
  parameter,
  permute,
  RandomKey,
  randomNormal,
  reshape,
  scope,
  segmentPlan,
  sum,
  type Tensor,
  tensor,
} from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { afterAll, describe, expect, it } from 'vitest';
import { expertParameters, expertSteps, LATENT_MATRICES, mixExperts, runExperts } from '../src/index.ts';
import { device, key } from './support.ts';

const gpu = await createGpuDevice({ mode: 'cpu' });
afterAll(() => gpu.dispose());

const hidden = 6;
const experts = 3;
const width = 5;
const latentDim = 4;
const tokens = 7;

/** `[M, 2I, H]` and `[M, H, I]`, by autograd, so that gradients reach the factors. */
function products(own: ReadonlyMap<string, Tensor>): [gateUp: Tensor, down: Tensor] {
  const into = (shared: string, name: string): Tensor =>
    reshape(matmul(reshape(own.get(name)!, [experts * width, latentDim]), own.get(shared)!), [experts, width, hidden]);
  const turned = reshape(permute(own.get('down_proj')!, [0, 2, 1]), [experts * width, latentDim]);
  const outOf = matmul(turned, own.get(LATENT_MATRICES.down)!, { transposeB: true });
  return [
    concatenate([into(LATENT_MATRICES.gate, 'gate_proj'), into(LATENT_MATRICES.up, 'up_proj')], 1),
    permute(reshape(outOf, [experts, width, hidden]), [0, 2, 1]),
  ];
}

type Forward = (x: Tensor, weights: Tensor, chosen: Tensor) => Tensor;

/** The output of one step, and the gradients of its squares. */
async function stepOn(
  on: Device,
  forward: (own: ReadonlyMap<string, Tensor>) => Forward,
): Promise<Map<string, number[]>> {
  const own = createParameters(on, expertParameters({ hidden, experts, width, latentDim }), key);
  const read = new Map<string, number[]>();
  await scope(on, async () => {
    const x = parameter(randomNormal(on, [tokens, hidden], RandomKey.fromSeed(1), 20));
    const weights = parameter(randomNormal(on, [tokens, 2], RandomKey.fromSeed(2)));
    // Experts 0 and 1 by turns; of the first two tokens also expert 2.
    const chosen = Array.from({ length: tokens }, (_, t) => [t % 2, t < 2 ? 2 : 1 - (t % 2)]).flat();
    const y = forward(own)(x, weights, tensor(on, Int32Array.from(chosen), [tokens, 2]));
    backward(sum(multiply(y, add(y, 1))));
    read.set('y', Array.from(await y.data()));
    for (const [name, { grad }] of [...own, ['x', x], ['weights', weights]] as const) {
      read.set(name, Array.from(await grad!.data()));
      grad!.dispose();
    }
    x.dispose();
    weights.dispose();
  });
  own.forEach((each) => each.dispose());
  return read;
}

describe.each([
  ['wasm', device],
  ['gpu', gpu],
] as const)('latent experts on %s', (_, on) => {
  it('give the outputs and gradients of experts whose matrices are the products', async () => {
    const latent = await stepOn(
      on,
      (own) => (x, weights, chosen) => mixExperts(expertSteps(own), x, weights, segmentPlan(chosen, experts)),
    );
    const whole = await stepOn(
      device,
      (own) => (x, weights, chosen) => runExperts(x, ...products(own), weights, segmentPlan(chosen, experts)),
    );
    expect([...latent.keys()]).toEqual([...whole.keys()]);
    for (const [name, values] of whole) {
      const largest = Math.max(...values.map(Math.abs));
      expect(largest, name).toBeGreaterThan(0);
      latent.get(name)!.forEach((value, i) => expect(Math.abs(value - values[i]!) / largest, name).toBeLessThan(1e-4));
    }
  });
});

it('starts with products whose entries have the variance of whole matrices', async () => {
  const sizes = { hidden: 64, experts: 4, width: 48, latentDim: 16 };
  const own = createParameters(device, expertParameters(sizes), key);
  await scope(device, async () => {
    const rows = reshape(own.get('gate_proj')!, [4 * 48, 16]);
    const values = Array.from(await matmul(rows, own.get(LATENT_MATRICES.gate)!).data());
    const std = Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length);
    expect(Math.abs(std / 0.02 - 1)).toBeLessThan(0.1);
  });
  own.forEach((each) => each.dispose());
});
