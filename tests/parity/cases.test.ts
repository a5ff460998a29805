/** What the parity tests rest on: that there are cases, and that each is read by a test. */
import { expect, it } from 'vitest';
import { allCases, caseKinds } from './fixtures.ts';

it('every case is of a kind that a test reads', () => {
  const strays = allCases().filter(({ info }) => !Object.hasOwn(caseKinds, info.kind));
  expect(strays.map(({ info }) => `${info.case}: kind ${info.kind}`)).toEqual([]);
});

it('every kind has cases', () => {
  expect(new Set(allCases().map(({ info }) => info.kind))).toEqual(new Set(Object.keys(caseKinds)));
});
