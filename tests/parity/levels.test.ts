/** What balance is worth without any structure: simulated here and there with other random numbers. */
import { type BalanceKey, isotropicNull, type ReferenceLevel, samplingFloor, uniformityTest } from '@lpr/metrics';
import { expect, it } from 'vitest';
import { casesOf, Comparison } from './fixtures.ts';

interface Level {
  readonly level: 'samplingFloor' | 'isotropicNull';
  readonly experts: number;
  readonly topK: number;
  readonly tokens: number;
  readonly latentDim: number;
  /** Layers that the expected values are of. */
  readonly simulated: number;
  readonly expected: Readonly<Record<string, readonly [mean: number, deviation: number, low: number, high: number]>>;
}

interface Uniformity {
  readonly counts: readonly number[];
  readonly statistic: number;
  readonly pValue: number;
}

const keys: Readonly<Record<string, BalanceKey>> = {
  gini: 'gini',
  min_max: 'minMax',
  cv_population: 'coefficientOfVariation',
  entropy: 'entropy',
  effective_experts: 'effectiveExperts',
  kl_to_uniform: 'klToUniform',
  max_violation: 'maxViolation',
};

/** A percentile at 2.5 % of n normal numbers strays this many times as much as their mean. */
const PERCENTILE_ERROR = 2.7;

/** Several of a level, since some are of few simulated layers. */
function levelsOf({ level, ...settings }: Level): ReferenceLevel[] {
  if (level === 'samplingFloor') return [samplingFloor(settings)];
  return Array.from({ length: 4 }, (_, seed) => isotropicNull({ ...settings, seed }));
}

it.for(casesOf('levels'))('%s', ([, fixture]) => {
  const problems: string[] = [];
  for (const level of fixture.info['levels'] as readonly Level[]) {
    const ours = levelsOf(level);
    const layers = ours.reduce((sum, { simulated }) => sum + simulated, 0);
    for (const [name, [mean, deviation, low, high]] of Object.entries(level.expected)) {
      const error = deviation * Math.sqrt(1 / layers + 1 / level.simulated);
      const check = (what: string, got: number, expected: number, allowed: number): void => {
        if (Math.abs(got - expected) <= allowed) return;
        problems.push(
          `${level.level} of ${JSON.stringify(level)}: ${what} ${name} ${got}, not ${expected} +- ${allowed}`,
        );
      };
      const ranges = ours.map(({ layer }) => layer[keys[name]!]);
      check('mean', ranges.reduce((sum, range) => sum + range.mean, 0) / ours.length, mean, 5 * error);
      if (ours.length > 1) continue;
      check('low', ranges[0]!.low, low, 5 * PERCENTILE_ERROR * error);
      check('high', ranges[0]!.high, high, 5 * PERCENTILE_ERROR * error);
    }
  }
  const comparison = new Comparison(fixture);
  for (const { counts, ...expected } of fixture.info['uniformity'] as readonly Uniformity[]) {
    const { statistic, pValue } = uniformityTest([counts], 1);
    const at = `loads ${counts.join(', ')}`;
    comparison.measures(at, { statistic, pValue }, expected, fixture.tolerance('uniformity'));
  }
  expect([...problems, ...comparison.problems]).toEqual([]);
});
