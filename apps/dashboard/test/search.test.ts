import { describe, expect, it } from 'vitest';
import { matches, withSettings } from '../page/search.ts';
import type { AllSettings, RunSummary } from '../src/api.ts';

const base: RunSummary = {
  ...{ id: 'compare-1/lpr-1', name: 'lpr-1', group: 'compare-1', status: 'finished', read: true },
  ...{ architecture: 'mixtral', router: 'lpr', seed: 1, step: 40, totalSteps: 40, updatedAt: 0, problems: [] },
  measures: {
    ...{ loss: 5.1, testLoss: 5.25, balanceText: 'held-out', tokensPerSecond: 900 },
    balance: { gini: 0.05, minMax: 0.8, maxViolation: null },
  },
  sparklines: { loss: [], balance: [] },
  tags: ['old', 'good seeds'],
  noteStart: 'It diverged.',
};
const settings: AllSettings = {
  paths: ['size.experts', 'lpr.temperature', 'training.optimizer'],
  runs: { 'compare-1/lpr-1': ['32', '4', 'adamw'] },
};

describe('a filter', () => {
  const [run] = withSettings([base], settings);
  it.each([
    ...['', 'LPR', 'compare-1', 'seed 1', 'finished', 'Finished, mixtral', 'optimizer adamw', 'experts 32'],
    ...['gini<0.1', 'gini < 0.1, min-max >= 0.8', 'loss < 5.3', 'test loss > 5.2', 'training loss <= 5.1'],
    ...['tag = good seeds', 'tag good', 'tag=OLD, diverged'],
    ...['experts = 32', 'size.experts > 31', 'seed=1', 'temperature 4, tokens/s > 100'],
  ])('"%s" finds the run', (filter) => expect(matches(run!, filter)).toBe(true));
  it.each([
    ...['seed 0', 'running', 'finished, top-k', 'experts 3', 'gini > 0.1', 'maxvio < 1', 'loss < 5', 'experts < 32'],
    ...['unknown < 3', 'optimizer > 3', 'tag = good', 'tag bad'],
  ])('"%s" does not', (filter) => expect(matches(run!, filter)).toBe(false));

  it('knows "seed 1" from "seed 10", and a run that has a problem', () => {
    const [tenth] = withSettings([{ ...base, seed: 10, problems: ['damaged'] }], undefined);
    expect([matches(tenth!, 'seed 1'), matches(tenth!, 'seed 10'), matches(tenth!, 'problem')]).toEqual([
      ...[false, true, true],
    ]);
    expect(matches(run!, 'problem')).toBe(false);
  });
});
