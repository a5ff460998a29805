/** Calibration against naive counts, and the loads that it leads to. */
import { assign, RandomKey, randomNormal, scope, type Tensor } from '@lpr/tensor';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BiasCalibration, isCalibrated, resolveRouter, type Router, surveyLoads } from '../src/index.ts';
import { descending, dispose, normal, onLogits, total } from './routed.ts';
import { device, makeRouter, type Matrix, mean, toTensor } from './support.ts';

const route = (router: Router, x: Matrix) => router.route(toTensor(x), { training: false });

async function surveyed(router: Router, x: Matrix): Promise<{ loads: number[]; slopes: number[]; window: number }> {
  const { loads, slopes, window } = await scope(device, async () => {
    const survey = surveyLoads(router, route(router, x));
    const read = async (of: Tensor): Promise<number[]> => Array.from(await of.data());
    return { loads: await read(survey.loads), slopes: await read(survey.slopes), window: await read(survey.window) };
  });
  return { loads, slopes, window: window[0]! };
}

const biasOf = async (router: Router): Promise<number[]> => Array.from(await router.selectionBias!.values.data());

async function loadsOf(router: Router, batches: readonly Matrix[]): Promise<number[]> {
  const sums = Array.from({ length: router.experts }, () => 0);
  for (const batch of batches) (await surveyed(router, batch)).loads.forEach((load, e) => (sums[e]! += load));
  return sums;
}

async function calibrate(router: Router, batches: readonly Matrix[], rounds: number): Promise<void> {
  const calibration = new BiasCalibration(router);
  for (let round = 0; round < rounds; round++) {
    for (const batch of batches) {
      const survey = await scope(device, async () => await calibration.survey(route(router, batch)).data());
      await calibration.follow(survey as Float32Array);
    }
  }
  calibration.finish();
}

describe('surveyLoads', () => {
  it('counts choices, and those that a small move of the bias would change', async () => {
    for (const [kind, sign] of [
      ['deepSeekV3', 1],
      ['quantileBalancing', -1],
    ] as const) {
      const router = onLogits(resolveRouter(kind), 6, 2);
      const bias = [0.1, -0.2, 0, 0.05, 0.3, -0.1];
      assign(router.selectionBias!.values, bias);
      const x = await normal(40, 6, 5);
      const scores = x.map((row) => row.map((value) => 1 / (1 + Math.exp(-value))));
      const centre = mean(scores.flat());
      const window = 0.1 * Math.sqrt(mean(scores.flat().map((score) => (score - centre) ** 2)));
      const near = bias.map(() => 0);
      const loads = bias.map(() => 0);
      for (const row of scores) {
        const merit = row.map((score, e) => score + sign * bias[e]!);
        const order = descending(merit);
        for (const [e, value] of merit.entries()) {
          const isChosen = order.indexOf(e) < 2;
          if (isChosen) loads[e]!++;
          // The first that would take its place, or the last that it would take the place of.
          if (Math.abs(value - merit[order[isChosen ? 2 : 1]!]!) < window) near[e]!++;
        }
      }
      const survey = await surveyed(router, x);
      expect(survey.loads).toEqual(loads);
      expect(survey.window).toBeCloseTo(window, 5);
      survey.slopes.forEach((slope, e) => expect(slope * 2 * window).toBeCloseTo(near[e]!, 2));
      expect(Math.max(...near)).toBeGreaterThan(2);
      dispose(router);
    }
  });

  it('finds the slope of the load: a small move of one bias changes it by so much', async () => {
    const router = onLogits(resolveRouter('deepSeekV3'), 4, 1);
    const x = await normal(20_000, 4, 6);
    const { slopes, loads } = await surveyed(router, x);
    const step = 0.01;
    assign(router.selectionBias!.values, [step, 0, 0, 0]);
    const moved = await surveyed(router, x);
    expect((moved.loads[0]! - loads[0]!) / step / slopes[0]!).toBeCloseTo(1, 1);
    dispose(router);
  });
});

describe('BiasCalibration', () => {
  it('evens out the load of any scores within a few readings, and keeps the mean of the bias at 0', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          experts: fc.integer({ min: 2, max: 12 }),
          seed: fc.nat(1000),
          spread: fc.double({ min: 0, max: 0.2, noNaN: true }),
        }),
        fc.constantFrom('deepSeekV3' as const, 'quantileBalancing' as const, 'latentPrototype' as const),
        async ({ experts, seed, spread }, kind) => {
          const topK = Math.max(1, Math.floor(experts / 4));
          const router =
            kind === 'latentPrototype'
              ? makeRouter(resolveRouter(kind), { hidden: 8, experts, topK })
              : onLogits(resolveRouter(kind), experts, topK);
          scope(device, () => {
            const { values } = router.selectionBias!;
            assign(values, randomNormal(device, values.shape, RandomKey.fromSeed(seed), spread));
          });
          // Scores are all that the others have; LPR's latents need some width.
          const width = kind === 'latentPrototype' ? 8 : experts;
          const batches = [await normal(300, width, seed), await normal(200, width, seed + 1)];
          const before = await loadsOf(router, batches);
          await calibrate(router, batches, 16);
          const after = await loadsOf(router, batches);
          const even = (500 * topK) / experts;
          const unevenness = (loads: readonly number[]): number =>
            total(loads.map((load) => Math.abs(load - even))) / (experts * even);
          for (const loads of [before, after]) expect(total(loads)).toBe(500 * topK);
          expect(unevenness(after)).toBeLessThan(Math.max(0.1, 0.5 * unevenness(before)));
          const bias = await biasOf(router);
          expect(mean(bias)).toBeCloseTo(0, 5);
          dispose(router);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('moves no further than a few windows at once, so that dead experts come back step by step', async () => {
    const router = onLogits(resolveRouter('deepSeekV3'), 4, 1);
    assign(router.selectionBias!.values, [-50, 0, 0, 0]);
    const x = await normal(100, 4, 7);
    const { window } = await surveyed(router, x);
    expect((await loadsOf(router, [x]))[0]).toBe(0);
    await calibrate(router, [x], 1);
    const bias = await biasOf(router);
    expect(bias[0]! - Math.max(...bias.slice(1)) + 50).toBeLessThan(10 * window + 1e-4);
    expect(bias[0]! - bias[1]! + 50).toBeGreaterThan(0);
    dispose(router);
  });

  it('ends where it was on the way, the later the more, each time moved by a share of what the slopes ask for', async () => {
    for (const [kind, sign] of [
      ['deepSeekV3', 1],
      ['quantileBalancing', -1],
    ] as const) {
      const router = onLogits(resolveRouter(kind), 3, 1);
      const calibration = new BiasCalibration(router);
      const surveys = Array.from({ length: 9 }, (_, t) => ({
        loads: [4 + (t % 3), 2, 6 - (t % 2)],
        slopes: [40 + t, 80, 60 + 2 * t],
        window: 0.05 + 0.001 * t,
      }));
      const bias = [0, 0, 0];
      const visited: number[][] = [];
      for (const [t, { loads, slopes, window }] of surveys.entries()) {
        await calibration.follow(Float32Array.from([...loads, ...slopes, window]));
        const seen = surveys.slice(0, t + 1);
        const width = mean(seen.map((each) => each.window));
        const slopeOf = (e: number): number => mean(seen.map((each) => each.slopes[e]!));
        const typical = mean([0, 1, 2].map(slopeOf));
        for (const e of [0, 1, 2]) {
          // As if five batches before had told the slope of all experts.
          const slope = (slopeOf(e) * (t + 1) + typical * 5) / (t + 6);
          const wanted = (Math.max(1 / (t + 1), 0.2) * (mean(loads) - loads[e]!)) / slope;
          bias[e]! += sign * Math.min(5 * width, Math.max(-5 * width, wanted));
        }
        const centre = mean(bias);
        for (const e of [0, 1, 2]) bias[e]! -= centre;
        visited.push([...bias]);
        (await biasOf(router)).forEach((value, e) => expect(value).toBeCloseTo(bias[e]!, 5));
      }
      calibration.finish();
      const weights = visited.map((_, t) => t + 1);
      (await biasOf(router)).forEach((value, e) =>
        expect(value).toBeCloseTo(total(visited.map((at, t) => weights[t]! * at[e]!)) / total(weights), 5),
      );
      dispose(router);
    }
  });

  it('moves the furthest it may where no choice is near to another, and not at all where loads are even', async () => {
    const router = onLogits(resolveRouter('deepSeekV3'), 3, 1);
    const calibration = new BiasCalibration(router);
    const follow = async (loads: number[]): Promise<number[]> => {
      await calibration.follow(Float32Array.from([...loads, 0, 0, 0, 0.01]));
      return (await biasOf(router)).map((value) => Math.round(1e4 * value) / 1e4);
    };
    expect(await follow([4, 4, 4])).toEqual([0, 0, 0]);
    expect(await follow([0, 4, 8])).toEqual([0.05, 0, -0.05]);
    // The slope is as if a hundredth of the even load were within a window: 4 / 100 / 0.01. A third of 0.016 by that.
    expect(await follow([4.016, 3.984, 4])).toEqual([0.0487, 0.0013, -0.05]);
    dispose(router);
  });

  it('moves nothing while all scores are equal, and goes on from there once they differ', async () => {
    for (const kind of ['deepSeekV3', 'quantileBalancing'] as const) {
      const router = onLogits(resolveRouter(kind), 4, 2);
      const bias = [0.25, -0.5, 0.25, 0];
      assign(router.selectionBias!.values, bias);
      const alike = Array.from({ length: 6 }, () => [0, 0, 0, 0]);
      const { slopes, window } = await surveyed(router, alike);
      expect({ slopes, window }).toEqual({ slopes: [0, 0, 0, 0], window: 0 });
      await calibrate(router, [alike], 2);
      expect(await biasOf(router)).toEqual(bias);
      const calibration = new BiasCalibration(router);
      for (const batch of [alike, await normal(40, 4, 8)]) {
        const survey = await scope(device, async () => await calibration.survey(route(router, batch)).data());
        await calibration.follow(survey as Float32Array);
      }
      const moved = await biasOf(router);
      expect(moved.every(Number.isFinite)).toBe(true);
      expect(moved).not.toEqual(bias);
      dispose(router);
    }
  });

  it('finds the bias that balances what batches are drawn from, not the chance of each: none for scores that are alike', async () => {
    const router = onLogits(resolveRouter('deepSeekV3'), 6, 2);
    assign(router.selectionBias!.values, [0.2, -0.1, 0.05, -0.15, 0.1, -0.1]);
    const batches: Matrix[] = [];
    for (let seed = 0; seed < 64; seed++) batches.push(await normal(60, 6, seed));
    await calibrate(router, batches, 1);
    // What one batch can tell has errors of 0.04.
    for (const value of await biasOf(router)) expect(Math.abs(value)).toBeLessThan(0.015);
    dispose(router);
  });

  it('needs a bias that decides something, and batches', async () => {
    for (const router of [onLogits(resolveRouter('topKSoftmax'), 4, 2), onLogits(resolveRouter('deepSeekV3'), 4, 4)]) {
      expect(isCalibrated(router)).toBe(false);
      expect(() => new BiasCalibration(router)).toThrow('no selection bias that decides anything');
      dispose(router);
    }
    const router = onLogits(resolveRouter('deepSeekV3'), 4, 2);
    expect(() => new BiasCalibration(router).finish()).toThrow('after no batch');
    dispose(router);
  });
});
