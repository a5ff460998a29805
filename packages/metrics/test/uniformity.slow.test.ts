/** How often the test for uniform loads rejects routers that are uniform. */
import { expect, test } from 'vitest';
import { uniformityTest } from '../src/index.ts';
import { Random } from '../src/random.ts';
import { plainUniformLoads } from './plain-routing.ts';

// Few tokens for many experts as well, where the usual chi-square tail is wrong by a factor of several.
test.each([
  { experts: 8, topK: 2, tokens: 200, layers: 1, trials: 4000 },
  { experts: 32, topK: 1, tokens: 40, layers: 1, trials: 4000 },
  { experts: 64, topK: 8, tokens: 60, layers: 1, trials: 3000 },
  { experts: 128, topK: 1, tokens: 60, layers: 1, trials: 3000 },
  { experts: 16, topK: 12, tokens: 100, layers: 1, trials: 3000 },
  { experts: 16, topK: 4, tokens: 100, layers: 3, trials: 2000 },
])('rejects uniform routers as often as it says: $layers x $experts-$topK, $tokens tokens', (settings) => {
  const random = new Random(settings.experts);
  const { trials, layers, topK } = settings;
  const tests = Array.from({ length: trials }, () =>
    uniformityTest(
      Array.from({ length: layers }, () => plainUniformLoads(random, settings)),
      topK,
    ),
  );
  for (const level of [0.5, 0.2, 0.05, 0.01]) {
    const share = tests.filter(({ pValue }) => pValue <= level).length / trials;
    // Four standard errors, and what counts that are whole numbers cannot avoid.
    expect(Math.abs(share - level)).toBeLessThan(4 * Math.sqrt((level * (1 - level)) / trials) + 0.25 * level);
  }
  const mean = tests.reduce((sum, { statistic }) => sum + statistic, 0) / trials;
  const { degreesOfFreedom } = tests[0]!;
  expect(degreesOfFreedom).toBe(layers * (settings.experts - 1));
  expect(Math.abs(mean / degreesOfFreedom - 1)).toBeLessThan(4 * Math.sqrt(2 / degreesOfFreedom / trials));
});
