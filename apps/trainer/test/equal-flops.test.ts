import { predictFlops } from '@lpr/model';
import { makeSchedule } from '@lpr/train';
import { describe, expect, it } from 'vitest';
import { withEqualFlops } from '../src/comparison/equal-flops.ts';
import { predictRun } from '../src/run/prediction.ts';
import { decoderConfig } from '../src/settings/decoder-config.ts';
import { resolveSettings } from '../src/settings/resolve.ts';
import { type RouterName, ROUTERS } from '../src/settings/routers.ts';
import type { Settings } from '../src/settings/schema.ts';

function runsOf(routers: readonly RouterName[], set: readonly string[] = []): Map<string, Settings> {
  return new Map(
    routers.map((router) => [
      router,
      resolveSettings({ preset: 'tiny', steps: 5000, router, config: [], set }, routers),
    ]),
  );
}

describe('runs of equal cost', () => {
  it('have as many steps as the operations of the first one allow, and all else as it was', () => {
    const runs = runsOf(ROUTERS);
    const equal = withEqualFlops(runs);
    expect([...equal.keys()]).toEqual([...runs.keys()]);
    expect(equal.get('top-k')).toEqual(runs.get('top-k'));
    const budget = predictRun(runs.get('top-k')!).flops;
    for (const [name, settings] of equal) {
      const { training, ...rest } = settings;
      const { training: before, ...same } = runs.get(name)!;
      expect(rest).toEqual(same);
      expect({ ...training, steps: before.steps }).toEqual(before);
      // Null experts take a part of what is predicted.
      if (name !== 'adamoe') expect(Math.abs(predictRun(settings).flops / budget - 1), name).toBeLessThan(2e-4);
    }
    const stepsOf = (router: RouterName): number => equal.get(router)!.training.steps;
    expect(stepsOf('denseMixture')).toBeLessThan(3000);
    expect(stepsOf('latent-experts')).toBeLessThan(5000);
    expect(stepsOf('remoe')).toBe(5000);
    expect(stepsOf('dense')).toBeGreaterThan(5000);
  });

  it('count null experts as what even loads send to them', () => {
    const equal = withEqualFlops(runsOf(['top-k', 'adamoe'], ['method.nullExperts=24']));
    const [own, adamoe] = [...equal.values()] as [Settings, Settings];
    const { sequenceLength: sequence } = own.data;
    // Two of 8 experts beside 24 that do nothing: half an expert a token.
    const expertsPerToken = [0.5, 0.5];
    const [a, b] = [
      predictFlops(decoderConfig(own, own.size.vocabulary), { sequence }),
      predictFlops(decoderConfig(adamoe, adamoe.size.vocabulary), { sequence, expertsPerToken }),
    ];
    expect(adamoe.training.steps).toBe(Math.round((5000 * a.training) / b.training));
  });

  it('pay for their calibration in steps', () => {
    const calibration = 'training.calibration={tokens: 65536, rounds: 2}';
    const [plain, calibrated] = [
      runsOf(['top-k', 'lpr'], ['training.calibration=null']),
      runsOf(['top-k', 'lpr'], [calibration]),
    ];
    const budget = predictRun(plain.get('top-k')!).flops;
    // The text of a round is read forwards alone and without the head.
    const { data, size } = plain.get('lpr')!;
    const { forward, head, training } = predictFlops(decoderConfig(plain.get('lpr')!, size.vocabulary), {
      sequence: data.sequenceLength,
    });
    const cost = 2 * 65536 * (forward - head);
    const perStep = training * data.batchSize * data.sequenceLength;
    const lpr = withEqualFlops(calibrated).get('lpr')!;
    expect(lpr.training.steps).toBe(Math.round((budget - cost) / perStep));
    expect(lpr.training.steps).toBeLessThan(withEqualFlops(plain).get('lpr')!.training.steps);
    expect(Math.abs(predictRun(lpr).flops / budget - 1)).toBeLessThan(2e-4);
    // Where it is the first that is calibrated, the others get as much more.
    const reversed = runsOf(['lpr', 'top-k'], [calibration]);
    expect(withEqualFlops(reversed).get('lpr')).toEqual(reversed.get('lpr'));
  });

  it('stretch the schedule over their steps', () => {
    const { training } = withEqualFlops(runsOf(['top-k', 'denseMixture'])).get('denseMixture')!;
    const { warmupSteps, stableSteps, decaySteps } = makeSchedule(
      { ...training, kind: 'warmupStableDecay' },
      training.steps,
    );
    expect(warmupSteps / training.steps).toBeCloseTo(0.05, 3);
    expect(stableSteps / training.steps).toBeCloseTo(0.75, 3);
    expect(warmupSteps + stableSteps + decaySteps).toBe(training.steps);
  });

  it('train for a step at least', () => {
    const runs = runsOf(['top-k', 'denseMixture'], ['training.steps=1', 'size.experts=64']);
    expect(withEqualFlops(runs).get('denseMixture')!.training.steps).toBe(1);
  });
});
