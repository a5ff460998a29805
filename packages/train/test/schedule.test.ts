import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { learningRateFactor, warmupStableDecay } from '../src/schedule.ts';
import { fixtureJson, fixtureTensors, haveFixtures } from './fixtures.ts';

interface ScheduleRun {
  readonly total_steps: number;
  readonly warmup_steps: number;
  readonly stable_steps: number;
  readonly decay_steps: number;
  readonly min_lr_ratio: number;
}

describe('warm-up, stable, decay', () => {
  it.skipIf(!haveFixtures)('gives the factors of Hugging Face transformers at every step', () => {
    const { runs } = fixtureJson('wsd-schedule') as { runs: Record<string, ScheduleRun> };
    const tensors = fixtureTensors('wsd-schedule');
    for (const [name, run] of Object.entries(runs)) {
      const schedule = {
        warmupSteps: run.warmup_steps,
        stableSteps: run.stable_steps,
        decaySteps: run.decay_steps,
        minRatio: run.min_lr_ratio,
      };
      const expected = tensors.get(`out.factor.${name}`)!.data;
      expect(expected.length).toBeGreaterThan(run.total_steps);
      for (const [step, factor] of expected.entries()) {
        expect(Math.abs(learningRateFactor(schedule, step) - factor)).toBeLessThanOrEqual(2e-7);
      }
    }
  });

  it('splits a run as table 8 of the paper does', () => {
    expect(warmupStableDecay(4000, { warmup: 0.05, stable: 0.75, minRatio: 0.05 })).toEqual({
      warmupSteps: 200,
      stableSteps: 3000,
      decaySteps: 800,
      minRatio: 0.05,
    });
  });

  it('covers every step of any run, with factors from minRatio to 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, warmup, stableOfRest, minRatio) => {
          const schedule = warmupStableDecay(steps, { warmup, stable: (1 - warmup) * stableOfRest * 0.999, minRatio });
          const { warmupSteps, stableSteps, decaySteps } = schedule;
          expect(warmupSteps + stableSteps + decaySteps).toBe(steps);
          expect(Math.min(warmupSteps, stableSteps, decaySteps)).toBeGreaterThanOrEqual(0);
          for (let step = 0; step <= steps; step++) {
            const factor = learningRateFactor(schedule, step);
            expect(factor).toBeGreaterThanOrEqual(minRatio - 1e-12);
            expect(factor).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
  });

  it('refuses shares that leave no room', () => {
    expect(() => warmupStableDecay(10, { warmup: 0.5, stable: 0.6, minRatio: 0 })).toThrow(/together at most 1/);
    expect(() => warmupStableDecay(10, { warmup: 0.5, stable: 0.5, minRatio: 2 })).toThrow(/minRatio/);
  });
});
