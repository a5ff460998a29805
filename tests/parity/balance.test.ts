/** Measures of load balance, of counts and of moving averages, and what imbalance costs a machine. */
import {
  coefficientOfVariation,
  deadFraction,
  dropRate,
  effectiveExperts,
  entropy,
  gini,
  klToUniform,
  maxViolation,
  minMax,
  overloadFactor,
  variance,
} from '@lpr/metrics';
import { expect, it } from 'vitest';
import { casesOf, Comparison } from './fixtures.ts';

type Expected = Readonly<Record<string, number | null>>;

it.for(casesOf('metrics'))('%s', ([, fixture]) => {
  const comparison = new Comparison(fixture);
  const epsilon = Number(fixture.info['min_max_epsilon']);
  for (const [name, expected] of Object.entries(fixture.info['expected'] as Readonly<Record<string, Expected>>)) {
    const loads = fixture.values(`in.load.${name}`);
    const ours = {
      gini: gini(loads),
      min_max: minMax(loads),
      min_max_eps: minMax(loads, epsilon),
      cv: coefficientOfVariation(loads, 1),
      cv_population: coefficientOfVariation(loads),
      variance_population: variance(loads),
      variance_sample: variance(loads, 1),
      max_violation: maxViolation(loads),
      entropy: entropy(loads),
      effective_experts: effectiveExperts(loads),
      kl_to_uniform: klToUniform(loads),
      dead_fraction: deadFraction(loads),
    };
    // Without any load every expert is dead, so that min-max is 0 and not 0/0.
    comparison.measures(name, ours, { ...expected, min_max: expected['min_max'] ?? 0 });
  }
  expect(comparison.problems).toEqual([]);
});

it.for(casesOf('load_tracker'))('%s', ([, fixture]) => {
  const comparison = new Comparison(fixture);
  for (const [step, expected] of (fixture.info['expected'] as readonly Expected[]).entries()) {
    const [hard, soft] = [fixture.values(`out.hard_load.${step}`), fixture.values(`out.soft_load.${step}`)];
    const ours = {
      utilization: 1 - deadFraction(hard),
      hard_cv: coefficientOfVariation(hard, 1),
      hard_min_max: minMax(hard),
      hard_gini: gini(hard),
      soft_cv: coefficientOfVariation(soft, 1),
      soft_min_max: minMax(soft),
      soft_gini: gini(soft),
    };
    // A variance over batches may be there too; nothing here computes one.
    const known = Object.entries(expected).filter(([name]) => name !== 'variance');
    comparison.measures(`after batch ${step}`, ours, Object.fromEntries(known));
  }
  expect(comparison.problems).toEqual([]);
});

it.for(casesOf('placement'))('%s', ([, fixture]) => {
  const comparison = new Comparison(fixture);
  const all = fixture.info['loads'] as Readonly<Record<string, readonly number[]>>;
  const expected = fixture.info['expected'] as readonly (
    | { readonly load: string; readonly factor: number; readonly drop_rate: number }
    | { readonly load: string; readonly ranks: number; readonly overload: number }
  )[];
  for (const line of expected) {
    const counts = all[line.load]!;
    if ('factor' in line) {
      const ours = { drop_rate: dropRate(counts, line.factor) };
      comparison.measures(`${line.load}, capacity ${line.factor}`, ours, { drop_rate: line.drop_rate });
    } else {
      const ours = { overload: overloadFactor(counts, line.ranks) };
      comparison.measures(`${line.load} on ${line.ranks} ranks`, ours, { overload: line.overload });
    }
  }
  expect(comparison.problems).toEqual([]);
});
