import { TraceRecorder } from '@lpr/metrics';
import { expect, it } from 'vitest';
import { specialisationOf } from '../src/run/evaluation-report.ts';

it('the most that an expert is of one domain is found among any number of experts and domains', () => {
  const recorder = new TraceRecorder({ experts: 65_535, limit: 100 });
  for (const [domain, expert] of [
    ['one', 7],
    ['two', 8],
    ['three', 8],
  ] as const) {
    recorder.add({ domain, tokenIds: [1, 1], layers: [{ experts: [expert, expert], weights: [1, 1] }] });
  }
  const [specialisation] = specialisationOf(recorder.trace());
  expect(specialisation).toMatchObject({ domain: 1 });
});
