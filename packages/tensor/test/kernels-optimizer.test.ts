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
});
