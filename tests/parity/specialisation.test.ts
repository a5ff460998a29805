/** Measures of a router's health, and of what experts specialise in. */
import {
  coActivation,
  domainGroups,
  domainSpecialisation,
  expertGroupCounts,
  expertTokenCounts,
  keyReport,
  latentReport,
  type Matrix,
  mutualInformation,
  mutualInformationBias,
  principalComponents,
  type RoutingTrace,
  saturation,
  scoreReport,
  vocabularySpecialisation,
} from '@lpr/metrics';
import { expect, it } from 'vitest';
import { casesOf, Comparison, type Fixture } from './fixtures.ts';

type Expected = Readonly<Record<string, number | null>>;

function matrixOf(fixture: Fixture, name: string): Matrix {
  const { shape } = fixture.get(name);
  return { rows: shape[0]!, columns: shape[1]!, values: fixture.values(name) };
}

/** Rows of numbers as one record, by the place of each. */
function flat(rows: readonly (readonly (number | null)[] | ArrayLike<number>)[]): Record<string, number> {
  return Object.fromEntries(
    rows.flatMap((row, i) => Array.from(row as ArrayLike<number>, (x, j) => [`${i}, ${j}`, x])),
  );
}

it.for(casesOf('health'))('%s', ([, fixture]) => {
  const comparison = new Comparison(fixture);
  const expected = fixture.info['expected'] as {
    readonly scores: Expected;
    readonly latents: Expected;
    readonly eigenvalues: readonly number[];
    readonly explained: readonly number[];
    readonly axes: Rows;
    readonly keys: Expected;
  };
  const scores = scoreReport(matrixOf(fixture, 'in.scores'), Number(fixture.info['topK']));
  comparison.measures('scores', { ...scores }, expected.scores);
  const { norm, effectiveRank, eigenvalues } = latentReport(matrixOf(fixture, 'in.latents'));
  comparison.measures('latents', { norm, effectiveRank }, expected.latents);
  comparison.measures('eigenvalues', flat([eigenvalues]), flat([expected.eigenvalues]));
  const components = principalComponents(matrixOf(fixture, 'in.latents'), expected.axes.length);
  comparison.measures('explained', flat([components.explained]), flat([expected.explained]));
  comparison.measures('axes', flat(components.axes), flat(expected.axes));
  comparison.measures('keys', { ...keyReport(matrixOf(fixture, 'in.keys')) }, expected.keys);
  expect(comparison.problems).toEqual([]);
});

interface Joint {
  readonly joint: readonly (readonly number[])[];
  readonly information: number;
  readonly bias: number;
}

type Rows = readonly (readonly (number | null)[])[];

it.for(casesOf('specialisation'))('%s', ([, fixture]) => {
  const { info } = fixture;
  const comparison = new Comparison(fixture);
  for (const [name, { joint, ...expected }] of Object.entries(info['information'] as Readonly<Record<string, Joint>>)) {
    const ours = { information: mutualInformation(joint), bias: mutualInformationBias(joint) };
    comparison.measures(name, ours, expected);
  }
  const [early, final] = [traceOf(fixture, 'in.early'), traceOf(fixture, 'in.final')];
  const expected = info['expected'] as {
    readonly conditional: Rows;
    readonly domains: Rows;
    readonly vocabulary: readonly (number | null)[];
    readonly expert_domain: Rows;
    readonly expert_token: Rows;
    readonly saturation: number;
  };
  const minimumOccurrences = Number(info['minimumOccurrences']);
  comparison.measures('co-activation', flat(coActivation(final, 0).conditional), flat(expected.conditional));
  comparison.measures('domains', flat(domainSpecialisation(final, 0)), flat(expected.domains));
  const vocabulary = vocabularySpecialisation(final, 0, { minimumOccurrences });
  comparison.measures('vocabulary', flat([vocabulary]), flat([expected.vocabulary]));
  comparison.measures(
    'experts and domains',
    flat(expertGroupCounts(final, 0, domainGroups(final))),
    flat(expected.expert_domain),
  );
  comparison.measures('experts and tokens', flat(expertTokenCounts(final, 0).joint), flat(expected.expert_token));
  comparison.measures('early', { saturation: saturation(early, final)[0]! }, { saturation: expected.saturation });
  expect(comparison.problems).toEqual([]);
});

function traceOf(fixture: Fixture, name: string): RoutingTrace {
  const { shape } = fixture.get(name);
  const [tokens = 0, slots = 0] = shape;
  const experts = Number(fixture.info['experts']);
  const chosen = Uint16Array.from(fixture.integers(name));
  return {
    layers: 1,
    experts,
    slots,
    tokens,
    tokenIds: fixture.integers('in.token_ids'),
    domains: ['a', 'b', 'c'],
    domainOf: Uint16Array.from(fixture.integers('in.domains')),
    chosen,
    weights: Float32Array.from(chosen, (expert) => (expert === experts ? 0 : 1 / slots)),
  };
}
