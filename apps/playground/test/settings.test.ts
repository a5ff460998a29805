/** Settings in addresses: what was put in comes out, and whatever stands there opens the page. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ChoiceField,
  choicesOf,
  DEFAULT_STATE,
  MOST_SAMPLE,
  type PageState,
  queryOf,
  sampleOf,
  seedOf,
  type Settings,
  stateOf,
  viewWithin,
  withSettings,
} from '../src/settings.ts';

const FIELDS: readonly ChoiceField[] = [
  'architecture',
  'routers',
  'layers',
  'experts',
  'topK',
  'learningRate',
  'temperature',
  'biasRate',
  'diversity',
  'auxiliaryLoss',
  'device',
];

const anySettings: fc.Arbitrary<Settings> = fc
  .record({
    ...(Object.fromEntries(FIELDS.map((field) => [field, fc.constantFrom(...choicesOf(field))])) as {
      [Field in ChoiceField]: fc.Arbitrary<Settings[Field]>;
    }),
    seed: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  })
  .map((settings) => withSettings(settings, {}));

const anyState: fc.Arbitrary<PageState> = fc
  .record({
    settings: anySettings,
    layer: fc.nat(3),
    token: fc.nat(MOST_SAMPLE - 1),
    sample: fc.string({ unit: 'binary', maxLength: 300 }).map(sampleOf),
    ownText: fc.boolean(),
  })
  .map(({ settings, ownText, ...view }) => ({ settings, view: viewWithin(view, settings), ownText }));

function checkPossible({ settings, view }: PageState): void {
  for (const field of FIELDS) {
    if (field !== 'topK') expect(choicesOf(field)).toContain(settings[field]);
  }
  expect(settings.topK).toBeGreaterThanOrEqual(1);
  expect(settings.topK).toBeLessThanOrEqual(settings.experts);
  for (const value of [settings.seed, view.layer, view.token]) expect(Number.isSafeInteger(value)).toBe(true);
  expect(settings.seed).toBeGreaterThanOrEqual(0);
  expect(view.layer).toBeGreaterThanOrEqual(0);
  expect(view.layer).toBeLessThan(settings.layers);
  expect(view.token).toBeGreaterThanOrEqual(0);
  expect(view.token).toBeLessThan(MOST_SAMPLE);
  expect(view.sample.trim()).not.toBe('');
  expect(Array.from(view.sample).length).toBeLessThanOrEqual(MOST_SAMPLE);
}

describe('settings', () => {
  it('come back from the address that they were put into', () => {
    fc.assert(
      fc.property(anyState, (state) => {
        expect(stateOf(queryOf(state))).toEqual(state);
      }),
    );
  });

  it('leave the address alone where they are the default', () => {
    expect(queryOf(DEFAULT_STATE)).toBe('');
    expect(stateOf('')).toEqual(DEFAULT_STATE);
    expect(queryOf({ ...DEFAULT_STATE, settings: { ...DEFAULT_STATE.settings, experts: 64, topK: 4 } })).toBe(
      'experts=64&top-k=4',
    );
  });

  it('are possible whatever an address says', () => {
    const names = [...FIELDS.map((field) => field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`))];
    const name = fc.constantFrom(...names, 'seed', 'layer', 'token', 'sample', 'text', '__proto__', 'constructor');
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.double().map(String),
      fc.constantFrom('NaN', '-1', '1e999', '-Infinity', '0x10', 'toString', '', ' ', '\u0000'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value)), (pairs) =>
        checkPossible(stateOf(new URLSearchParams(pairs).toString())),
      ),
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (query) => checkPossible(stateOf(query))));
  });

  it.each([
    ['experts=48&top-k=9', { experts: 32, topK: 8 }],
    ['experts=1e99', { experts: 64 }],
    ['experts=-Infinity&layers=Infinity', { experts: 4, layers: 4 }],
    ['experts=4&top-k=8', { experts: 4, topK: 4 }],
    ['layers=-5', { layers: 1 }],
    ['temperature=3.4', { temperature: 4 }],
    ['seed=12.7', { seed: 13 }],
    ['seed=-3', { seed: 0 }],
    ['architecture=gpt', { architecture: 'qwen3-moe' }],
    ['routers=own', { routers: 'own' }],
  ] as const)('take of %s the nearest that there is', (query, expected) => {
    expect(stateOf(query).settings).toMatchObject(expected);
  });

  it('take of a typed seed a whole number, and of a long sample its beginning', () => {
    expect([seedOf('7'), seedOf('abc'), seedOf('99999999999')]).toEqual([7, 0, 2 ** 31 - 1]);
    expect(sampleOf('a'.repeat(1000))).toBe('a'.repeat(MOST_SAMPLE));
    expect(sampleOf('  \n')).toBe(DEFAULT_STATE.view.sample);
    expect(sampleOf('\ud83d')).toBe('\ufffd');
  });
});
