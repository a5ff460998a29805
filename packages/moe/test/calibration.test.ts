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

async function calibrated(router: Router, batches: readonly Matrix[], rounds: number): Promise<number[][]> {
  const calibration = new BiasCalibration(router);
  const results: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    for (const batch of batches) {
      const survey = await scope(device, async () => await calibration.survey(route(router, batch)).data());
      calibration.add(survey as Float32Array);
    }
    results.push(Array.from(await calibration.step()));
  }
  return results;
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
  it('evens out the load of any scores within a few rounds, and keeps the mean of the bias at 0', async () => {
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
          const rounds = await calibrated(router, batches, 8);
          const even = (500 * topK) / experts;
          const unevenness = (loads: readonly number[]): number =>
            total(loads.map((load) => Math.abs(load - even))) / (experts * even);
          for (const loads of rounds) expect(total(loads)).toBe(500 * topK);
          expect(unevenness(rounds.at(-1)!)).toBeLessThan(Math.max(0.1, 0.5 * unevenness(rounds[0]!)));
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
    const [loads] = await calibrated(router, [x], 1);
    expect(loads![0]).toBe(0);
    const bias = await biasOf(router);
    expect(bias[0]! - Math.max(...bias.slice(1)) + 50).toBeLessThan(10 * window + 1e-4);
    expect(bias[0]! - bias[1]! + 50).toBeGreaterThan(0);
    dispose(router);
  });

  it('needs a bias that decides something, and batches', async () => {
    for (const router of [onLogits(resolveRouter('topKSoftmax'), 4, 2), onLogits(resolveRouter('deepSeekV3'), 4, 4)]) {
      expect(isCalibrated(router)).toBe(false);
      expect(() => new BiasCalibration(router)).toThrow('no selection bias that decides anything');
      dispose(router);
    }
    const router = onLogits(resolveRouter('deepSeekV3'), 4, 2);
    await expect(new BiasCalibration(router).step()).rejects.toThrow('after no batch');
    dispose(router);
  });
});
