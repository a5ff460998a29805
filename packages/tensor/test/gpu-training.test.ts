/**
 * Training steps of a small Mixture-of-Experts decoder: the gpu device does what the wasm device does, and leaves
 * nothing behind.
 */
import { expect, it } from 'vitest';
import {
  add,
  adamWStep,
  backward,
  causalAttention,
  combineRows,
  type Device,
  dispatchRows,
  divide,
  embedding,
  groupedLinear,
  linear,
  linearCrossEntropy,
  parameter,
  RandomKey,
  randomNormal,
  reshape,
  rmsNorm,
  scope,
  segmentPlan,
  softmax,
  state,
  sum,
  swiGlu,
  type Tensor,
  tensor,
  topK,
} from '../src/index.ts';
import { createGpuDevice } from '../src/devices/gpu/index.ts';
import { createWasmDevice } from '../src/devices/wasm/index.ts';
import { hasWebGpu, webGpuNote } from './support/conformance.ts';

const VOCABULARY = 19;
const WIDTH = 8;
const HEADS = 2;
const EXPERTS = 5;
const EXPERT_WIDTH = 4;
const BATCH = 2;
const SEQUENCE = 6;

const SHAPES = {
  embedding: [VOCABULARY, WIDTH],
  norm: [WIDTH],
  query: [WIDTH, WIDTH],
  key: [WIDTH, WIDTH],
  value: [WIDTH, WIDTH],
  router: [EXPERTS, WIDTH],
  gateUp: [EXPERTS, 2 * EXPERT_WIDTH, WIDTH],
  down: [EXPERTS, WIDTH, EXPERT_WIDTH],
} as const;
type Parameters = Record<keyof typeof SHAPES, Tensor>;

function loss(device: Device, p: Parameters, step: number): Tensor {
  const text = Array.from({ length: BATCH * SEQUENCE + 1 }, (_, i) => ((i + step) ** 2 + 3 * i) % VOCABULARY);
  const ids = tensor(device, text.slice(0, -1), [BATCH * SEQUENCE], 'i32');
  const labels = tensor(device, text.slice(1), [BATCH * SEQUENCE], 'i32');
  let x = embedding(p.embedding, ids);
  const heads = (weight: Tensor): Tensor =>
    reshape(linear(rmsNorm(x, p.norm), weight), [BATCH, SEQUENCE, HEADS, WIDTH / HEADS]);
  const attended = causalAttention(heads(p.query), heads(p.key), heads(p.value));
  x = add(x, reshape(attended, [BATCH * SEQUENCE, WIDTH]));
  const normed = rmsNorm(x, p.norm);
  const { values, indices } = topK(softmax(linear(normed, p.router)), 2);
  const weights = divide(values, sum(values, 1, { keepAxis: true }));
  const plan = segmentPlan(indices, EXPERTS);
  const hidden = groupedLinear(dispatchRows(normed, plan), p.gateUp, plan);
  x = add(x, combineRows(groupedLinear(swiGlu(hidden), p.down, plan), weights, plan));
  return linearCrossEntropy(rmsNorm(x, p.norm), p.embedding, labels).loss;
}

async function train(device: Device): Promise<{ losses: number[]; weights: number[] }> {
  const key = RandomKey.fromSeed(3);
  const parameters = Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape]) => [
      name,
      scope(device, () => parameter(randomNormal(device, shape, key.fold(name), 0.5))),
    ]),
  ) as Parameters;
  const slots = Object.values(parameters).map((p) => ({ p, m: state(device, p.shape), v: state(device, p.shape) }));
  const losses: number[] = [];
  for (let step = 1; step <= 5; step++) {
    const value = await scope(device, () => {
      const result = loss(device, parameters, step);
      backward(result);
      const entries = slots.map(({ p, m, v }) => ({
        parameter: p,
        gradient: p.grad!,
        firstMoment: m,
        secondMoment: v,
        weightDecay: 0.1,
      }));
      adamWStep(device, entries, { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, step });
      for (const { p } of slots) {
        p.grad!.dispose();
        p.grad = null;
      }
      return result.item();
    });
    losses.push(value);
  }
  const weights = (await Promise.all(slots.map(({ p }) => p.data()))).flatMap((data) => [...data]);
  for (const { p, m, v } of slots) for (const each of [p, m, v]) each.dispose();
  await device.synchronize();
  expect(device.memory.liveBuffers).toBe(0);
  return { losses, weights };
}

async function compare(mode: 'cpu' | 'webgpu'): Promise<void> {
  const [wasm, gpu] = [await createWasmDevice({ threads: 0 }), await createGpuDevice({ mode })];
  const [expected, actual] = [await train(wasm), await train(gpu)];
  expect(gpu.resident.bytes).toBe(0);
  expect(expected.losses[4]!).toBeLessThan(expected.losses[0]!);
  for (const [i, value] of expected.losses.entries()) expect(actual.losses[i]).toBeCloseTo(value, 4);
  // Adam divides a gradient by its own size, so small differences of small gradients grow; a wrong one is far off.
  for (const [i, value] of expected.weights.entries()) expect(Math.abs(actual.weights[i]! - value)).toBeLessThan(2e-3);
  await wasm.dispose();
  await gpu.dispose();
}

it('in cpu mode', () => compare('cpu'));

// Most of the time goes into building the kernels.
it.skipIf(!hasWebGpu)(`in webgpu mode${webGpuNote}`, { timeout: 240_000 }, () => compare('webgpu'));
