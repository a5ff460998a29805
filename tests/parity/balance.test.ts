/** Measures of load balance, the released code's moving averages of loads, and what imbalance costs a machine. */
import {
  coefficientOfVariation,
  deadFraction,
  dropRate,
  effectiveExperts,
  EmaLoadTracker,
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
  const { info } = fixture;
  const comparison = new Comparison(fixture);
  const experts = fixture.get('in.scores.0').shape[1]!;
  const tracker = new EmaLoadTracker(experts, Number(info['decay']));
  for (const [step, expected] of (info['expected'] as readonly Expected[]).entries()) {
    tracker.update(...loads(fixture.values(`in.scores.${step}`), experts, Number(info['top_k'])));
    comparison.close(`out.hard_load.${step}`, tracker.hard);
    comparison.close(`out.soft_load.${step}`, tracker.soft);
    const ours = {
      variance: tracker.variance(),
      utilization: 1 - deadFraction(tracker.hard),
      hard_cv: coefficientOfVariation(tracker.hard, 1),
      hard_min_max: minMax(tracker.hard),
      hard_gini: gini(tracker.hard),
      soft_cv: coefficientOfVariation(tracker.soft, 1),
      soft_min_max: minMax(tracker.soft),
      soft_gini: gini(tracker.soft),
    };
    comparison.measures(`after batch ${step}`, ours, expected);
  }
  expect(comparison.problems).toEqual([]);
});

/** Hard counts and softmax-of-top-k mass per expert, from scores `[tokens][experts]`. */
function loads(scores: Float32Array, experts: number, topK: number): [number[], number[]] {
  const hard = Array.from({ length: experts }, () => 0);
  const soft = [...hard];
  for (let start = 0; start < scores.length; start += experts) {
    const chosen = Array.from(scores.subarray(start, start + experts), (score, expert) => ({ score, expert }))
      .sort((a, b) => b.score - a.score)
      .slice(0, topK);
    const mass = chosen.reduce((sum, { score }) => sum + Math.exp(score), 0);
    for (const { score, expert } of chosen) {
      hard[expert]! += 1;
      soft[expert]! += Math.exp(score) / mass;
    }
  }
  return [hard, soft];
}

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
