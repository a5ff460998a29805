/** What balance is worth without any structure: simulated here and there with other random numbers. */
import { type BalanceReport, hashRouting, isotropicNull, samplingFloor } from '@lpr/metrics';
import { expect, it } from 'vitest';
import { casesOf } from './fixtures.ts';

interface Level {
  readonly level: 'samplingFloor' | 'isotropicNull' | 'hashRouting';
  readonly experts: number;
  readonly topK: number;
  readonly tokens: number;
  readonly latentDim: number;
  readonly occurrences: readonly number[];
  /** Mean and standard deviation over windows, by measure. */
  readonly expected: Readonly<Record<string, readonly [mean: number, deviation: number]>>;
}

const names: Readonly<Record<string, keyof BalanceReport>> = {
  gini: 'gini',
  min_max: 'minMax',
  cv_population: 'coefficientOfVariation',
  entropy: 'entropy',
  effective_experts: 'effectiveExperts',
  kl_to_uniform: 'klToUniform',
  max_violation: 'maxViolation',
};

/** One window of a level. */
function windowOf({ level, experts, topK, tokens, latentDim, occurrences }: Level, seed: number): BalanceReport {
  if (level === 'samplingFloor') return samplingFloor({ experts, topK, tokens, seed, trials: 1 });
  if (level === 'isotropicNull') return isotropicNull({ experts, topK, tokens, latentDim, seed });
  const tokenIds = occurrences.flatMap((count, id) => Array.from({ length: count }, () => id));
  return hashRouting({ experts, topK, tokenIds, seed, trials: 1 });
}

const WINDOWS = 200;

it.for(casesOf('levels'))('%s', ([, { info }]) => {
  const problems: string[] = [];
  for (const level of info['levels'] as readonly Level[]) {
    const windows = Array.from({ length: WINDOWS }, (_, seed) => windowOf(level, seed));
    for (const [name, [mean, deviation]] of Object.entries(level.expected)) {
      const ours = windows.reduce((sum, window) => sum + window[names[name]!], 0) / WINDOWS;
      const error = deviation * Math.sqrt(1 / WINDOWS + 1 / Number(info['windows']));
      if (!(Math.abs(ours - mean) <= 5 * error)) {
        problems.push(`${level.level} of ${level.experts}-${level.topK}: ${name} ${ours}, not ${mean} +- ${error}`);
      }
    }
  }
  expect(problems).toEqual([]);
});
