import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builds, excess, type KernelDevice, noise, onThreads, openDevice } from './kernel-device.ts';

describe.each(builds)('%s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  interface State {
    parameter: ArrayLike<number>;
    gradient: ArrayLike<number>;
    firstMoment: ArrayLike<number>;
    secondMoment: ArrayLike<number>;
    weightDecay: number;
  }
  interface Settings {
    learningRate: number;
    beta1: number;
    beta2: number;
    epsilon: number;
    step: number;
  }

  /** One step in float64 (Loshchilov and Hutter 2019, algorithm 2, with the decay scaled by the learning rate). */
  function reference(state: State, { learningRate, beta1, beta2, epsilon, step }: Settings, gradientScale: number) {
    const firstMoment = Array.from(
      state.firstMoment,
      (m, i) => beta1 * m + (1 - beta1) * state.gradient[i]! * gradientScale,
    );
    const secondMoment = Array.from(
      state.secondMoment,
      (v, i) => beta2 * v + (1 - beta2) * (state.gradient[i]! * gradientScale) ** 2,
    );
    const parameter = Array.from(state.parameter, (p, i) => {
      const corrected = Math.sqrt(secondMoment[i]! / (1 - beta2 ** step)) + epsilon;
      return (
        p * (1 - learningRate * state.weightDecay) -
        (learningRate * (firstMoment[i]! / (1 - beta1 ** step))) / corrected
      );
    });
    return { parameter, firstMoment, secondMoment };
  }

  async function run(on: KernelDevice, states: readonly State[], settings: Settings, gradientScale: number | null) {
    const segments = states.map((state) => ({
      parameter: on.f32(state.parameter),
      gradient: on.f32(state.gradient),
      firstMoment: on.f32(state.firstMoment),
      secondMoment: on.f32(state.secondMoment),
      count: state.parameter.length,
      weightDecay: state.weightDecay,
    }));
    const scale = gradientScale === null ? null : on.f32([gradientScale]);
    on.kernels.adamW({ segments, gradientScale: scale, ...settings });
    return Promise.all(
      segments.map(async ({ parameter, firstMoment, secondMoment }) => ({
        parameter: await on.readF32(parameter),
        firstMoment: await on.readF32(firstMoment),
        secondMoment: await on.readF32(secondMoment),
      })),
    );
  }

  function randomStates(counts: readonly number[]): State[] {
    return counts.map((count, i) => ({
      parameter: noise(count, 4 * i + 1),
      gradient: noise(count, 4 * i + 2),
      firstMoment: noise(count, 4 * i + 3).map((x) => 0.1 * x),
      secondMoment: noise(count, 4 * i + 4).map((x) => 0.01 * x * x),
      weightDecay: i % 3 === 0 ? 0 : 0.1 * i,
    }));
  }

  const settings: Settings = { learningRate: 3e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, step: 3 };

  test.each([null, 0.37])('segments of all lengths follow the definition, gradient scale %s', async (scale) => {
    const states = randomStates([1, 2, 3, 4, 5, 0, 7, 127, 8191, 8192, 8193, 0, 20_011, 1]);
    const results = await run(device, states, settings, scale);
    states.forEach((state, i) => {
      const expected = reference(state, settings, scale ?? 1);
      expect(excess(results[i]!.parameter, expected.parameter, 1e-7, 1e-6)).toBeLessThanOrEqual(1);
      expect(excess(results[i]!.firstMoment, expected.firstMoment, 1e-8, 1e-6)).toBeLessThanOrEqual(1);
      expect(excess(results[i]!.secondMoment, expected.secondMoment, 1e-12, 1e-6)).toBeLessThanOrEqual(1);
    });
  });

  test('no segments, or only empty ones, are no work', async () => {
    expect(await run(device, [], settings, null)).toEqual([]);
    const [result] = await run(device, randomStates([0]), settings, null);
    expect(result!.parameter.length).toBe(0);
  });

  test('the neighbours of a segment in memory are left alone', async () => {
    const [state] = randomStates([11]);
    const buffers = [state!.parameter, state!.gradient, state!.firstMoment, state!.secondMoment].map((x) =>
      device.f32(x),
    );
    const [parameter, gradient, firstMoment, secondMoment] = buffers as [
      (typeof buffers)[0],
      (typeof buffers)[0],
      (typeof buffers)[0],
      (typeof buffers)[0],
    ];
    const segment = { parameter, gradient, firstMoment, secondMoment, count: 6, weightDecay: 0.5 };
    device.kernels.adamW({ segments: [segment], gradientScale: null, ...settings });
    const after = await device.readF32(parameter);
    expect(after.slice(6)).toEqual(Float32Array.from(state!.parameter).slice(6));
    expect(after.slice(0, 6)).not.toEqual(Float32Array.from(state!.parameter).slice(0, 6));
  });

  test('the first step moves by the learning rate, whatever the size of the gradient; zero gradients move nothing', async () => {
    const gradient = [1e-4, -1, 1e6, 1e15, 0];
    const zeros = [0, 0, 0, 0, 0];
    const state = { parameter: zeros, gradient, firstMoment: zeros, secondMoment: zeros, weightDecay: 0.1 };
    const [result] = await run(device, [state], { ...settings, step: 1 }, null);
    expect(excess(result!.parameter, [-3e-3 / (1 + 1e-4), 3e-3, -3e-3, -3e-3, 0], 0, 1e-6)).toBeLessThanOrEqual(1);
  });

  test('a gradient that is no number poisons its own element only', async () => {
    const state = {
      ...randomStates([9])[0]!,
      gradient: [1, Number.NaN, 1, 1, 1, Number.POSITIVE_INFINITY, 1, 1, Number.NaN],
    };
    const [result] = await run(device, [state], settings, null);
    expect(Array.from(result!.parameter, Number.isNaN)).toEqual([
      false,
      true,
      false,
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
  });

  test('the same bits on any number of threads', async () => {
    const states = randomStates([5, 17_001, 1, 9000]);
    const [first, ...others] = await onThreads((on) => run(on, states, settings, 0.5), relaxedSimd);
    for (const other of others) expect(other).toEqual(first);
  });

  // ---- parity with PyTorch
  // ---------------------------------------------------------------------------------------------

  const repository = resolve(import.meta.dirname, '../../..');
  const folder = process.env.LPR_FIXTURES ?? resolve(repository, '../shared/fixtures/torch');
  const fixture = resolve(folder, 'adamw-steps');
  const present = existsSync(`${fixture}.safetensors`);
  if (!present)
    console.warn(`no fixtures in ${folder} (set LPR_FIXTURES): the parity of AdamW with PyTorch is not tested`);

  function tensorsOf(bytes: Buffer): Map<string, Float32Array> {
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
      string,
      { data_offsets?: [number, number] }
    >;
    const tensors = new Map<string, Float32Array>();
    for (const [name, { data_offsets: offsets }] of Object.entries(header)) {
      if (!offsets) continue;
      const data = bytes.subarray(8 + length + offsets[0], 8 + length + offsets[1]);
      tensors.set(name, new Float32Array(new Uint8Array(data).buffer));
    }
    return tensors;
  }

  interface Fixture {
    steps: number;
    learning_rates: number[];
    optimizer: {
      betas: [number, number];
      eps: number;
      weight_decay: number;
      clip_grad_norm: number;
      clip_epsilon: number;
    };
    tolerances: Record<'out.param' | 'out.m' | 'out.v', { atol: number; rtol: number }>;
  }

  test.skipIf(!present)('several clipped steps of PyTorch', async () => {
    const tensors = tensorsOf(readFileSync(`${fixture}.safetensors`));
    const tensor = (name: string): Float32Array => {
      const found = tensors.get(name);
      if (!found) throw new Error(`the fixture has no tensor ${name}`);
      return found;
    };
    const {
      steps,
      learning_rates: rates,
      optimizer,
      tolerances,
    } = JSON.parse(readFileSync(`${fixture}.json`, 'utf8')) as Fixture;
    const names = ['b', 's', 't', 'u', 'w'];
    let states: State[] = names.map((name) => ({
      parameter: tensor(`in.param.${name}`),
      gradient: [],
      firstMoment: tensor(`in.param.${name}`).map(() => 0),
      secondMoment: tensor(`in.param.${name}`).map(() => 0),
      weightDecay: optimizer.weight_decay,
    }));
    for (let step = 0; step < steps; step++) {
      const gradients = names.map((name) => tensor(`in.grad.${name}.${step}`));
      const norm = Math.sqrt(gradients.reduce((sum, g) => sum + g.reduce((s, x) => s + x * x, 0), 0));
      const clip = Math.min(1, optimizer.clip_grad_norm / (norm + optimizer.clip_epsilon));
      const results = await run(
        device,
        states.map((state, i) => ({ ...state, gradient: gradients[i]! })),
        {
          learningRate: rates[step]!,
          beta1: optimizer.betas[0],
          beta2: optimizer.betas[1],
          epsilon: optimizer.eps,
          step: step + 1,
        },
        clip,
      );
      names.forEach((name, i) => {
        for (const [kind, actual] of [
          ['param', results[i]!.parameter],
          ['m', results[i]!.firstMoment],
          ['v', results[i]!.secondMoment],
        ] as const) {
          const expected = tensor(`out.${kind}.${name}.${step}`);
          const { atol, rtol } = tolerances[`out.${kind}`];
          const largest = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          expect(excess(actual, expected, atol + rtol * largest, 0)).toBeLessThanOrEqual(1);
        }
      });
      states = results.map((result) => ({ ...result, gradient: [], weightDecay: optimizer.weight_decay }));
    }
  });
});
