/** What the server says of a run, as the figures take it. */
import { type NamedRun, onePerStep, runNames, type RunParts } from '@lpr/report';
import type { RunDetails, SeriesFile } from '../src/api.ts';

const NOT_EVALUATED = { missing: 'it was not evaluated yet' };
const ELSEWHERE = { missing: 'it is read when it is looked at' };

/** @param name that tells it from the runs beside it */
export function partsOf(name: string, { facts, loads, evaluations }: RunDetails, file: SeriesFile): RunParts {
  const newest = evaluations.at(-1);
  const { experts = 0, layers = 0, windowTokens: tokens = 0, expertsPerToken = null } = loads ?? {};
  return {
    name,
    facts,
    series: file.series['loss'] === undefined ? { missing: 'no step is written yet' } : { value: file },
    evaluation: newest?.counts ? { value: { ...newest, counts: newest.counts } } : NOT_EVALUATED,
    evaluations: newest === undefined ? NOT_EVALUATED : { value: onePerStep(evaluations) },
    loads: ELSEWHERE,
    window: expertsPerToken === null ? null : { experts, layers, tokens, expertsPerToken },
    traces: ELSEWHERE,
    texts: ELSEWHERE,
    latents: ELSEWHERE,
    similarity: ELSEWHERE,
  };
}

/** Names that tell runs apart, as in pictures of them. */
export function namesOf(runs: readonly RunDetails[]): string[] {
  return runNames(
    runs.map(({ summary: { id, name }, settings }): NamedRun => ({ name, path: id, settings: new Map(settings) })),
  );
}
