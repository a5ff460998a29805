import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DECAY_SHAPES, learningRateFactor, makeSchedule, type ScheduleOptions } from '../src/schedule.ts';

type WarmupStableDecay = Extract<ScheduleOptions, { kind: 'warmupStableDecay' }>;

function wsd(options: Partial<WarmupStableDecay> = {}): WarmupStableDecay {
  return { kind: 'warmupStableDecay', decay: 'cosine', warmup: 0.5, stable: 0.5, minRatio: 0, ...options };
}

describe('warm-up, stable, decay', () => {
  it('splits a run as table 8 of the paper does', () => {
    expect(makeSchedule(wsd({ warmup: 0.05, stable: 0.75, minRatio: 0.05 }), 4000)).toEqual({
      warmupSteps: 200,
      stableSteps: 3000,
      decaySteps: 800,
      decay: 'cosine',
      minRatio: 0.05,
    });
  });

  it('rounds shares as they are written, not as binary numbers are', () => {
    expect(makeSchedule(wsd({ warmup: 0, stable: 0.29 }), 50).stableSteps).toBe(15);
    expect(makeSchedule(wsd({ warmup: 0.29, stable: 0 }), 50).warmupSteps).toBe(15);
    expect(makeSchedule(wsd({ warmup: 0.2899, stable: 0.5 }), 50)).toMatchObject({ warmupSteps: 14, stableSteps: 25 });
  });

  it('covers every step of any run, with factors from minRatio to 1', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom(...DECAY_SHAPES),
        (steps, warmup, stableOfRest, minRatio, decay) => {
          const stable = (1 - warmup) * stableOfRest * 0.999;
          const schedule = makeSchedule(wsd({ warmup, stable, minRatio, decay }), steps);
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
    expect(() => makeSchedule(wsd({ stable: 0.6 }), 10)).toThrow(/together at most 1/);
    expect(() => makeSchedule(wsd({ minRatio: 2 }), 10)).toThrow(/minRatio/);
  });
});

describe('the other schedules', () => {
  const steps = 100;
  const warmup = 0.1;
  const floor = 0.2;
  /** The closed form after 10 steps of warm-up, x being the share of the 90 others that is over. */
  const curves: Readonly<Record<string, { options: ScheduleOptions; at: (x: number) => number }>> = {
    cosine: {
      options: { kind: 'cosine', warmup, minRatio: floor },
      at: (x) => floor + ((1 - floor) * (1 + Math.cos(Math.PI * x))) / 2,
    },
    linear: { options: { kind: 'linear', warmup, minRatio: floor }, at: (x) => 1 - (1 - floor) * x },
    constant: { options: { kind: 'constant', warmup, minRatio: floor }, at: () => 1 },
    'square root': {
      options: wsd({ warmup, stable: 0, minRatio: floor, decay: 'squareRoot' }),
      at: (x) => floor + (1 - floor) * (1 - Math.sqrt(x)),
    },
  };

  it.each(Object.entries(curves))('%s follows its formula at every step, and on beyond the run', (_, curve) => {
    const schedule = makeSchedule(curve.options, steps);
    for (let step = 0; step < 2 * steps; step++) {
      const factor = learningRateFactor(schedule, step);
      const expected = step < 10 ? floor + ((1 - floor) * step) / 10 : curve.at(Math.min(1, (step - 10) / 90));
      expect(factor).toBeCloseTo(expected, 12);
    }
  });

  it('decay by a line and by a root within warm-up, stable, decay', () => {
    const phases = { warmup: 0.1, stable: 0.4, minRatio: 0 };
    expect(learningRateFactor(makeSchedule(wsd({ ...phases, decay: 'linear' }), steps), 75)).toBeCloseTo(0.5, 12);
    expect(learningRateFactor(makeSchedule(wsd({ ...phases, decay: 'squareRoot' }), steps), 75)).toBeCloseTo(
      1 - Math.SQRT1_2,
      12,
    );
  });
});
