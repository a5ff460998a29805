/** Routers from outside: how they are made and known, and that the checks for them find what is untrue. */
import { linear, softmax, sum, topK } from '@lpr/tensor';
import { weightSpec } from '@lpr/tensor/nn';
import { describe, expect, it } from 'vitest';
import {
  defineRouter,
  fullChoices,
  registerRouter,
  resolveRouter,
  type RouterDefinition,
  type RouterTraits,
  routerTraits,
} from '../src/index.ts';
import { checkRouter } from '../src/testing/index.ts';

interface Settings {
  readonly sharpness: number;
}

const TRAITS: RouterTraits = {
  reads: { training: 'token', evaluation: 'token' },
  alike: true,
  fillsSlots: true,
  weightSum: null,
  takesLargest: true,
  onlyTopK: null,
  exactBalance: false,
  pooledLosses: false,
  expertTensors: ['weight'],
};

const definition: RouterDefinition<Settings> = {
  name: 'own',
  defaults: { sharpness: 1 },
  rules: { sharpness: 'positive' },
  traits: () => TRAITS,
  parameters: (_, { hidden, experts }) => [weightSpec('weight', [experts, hidden])],
  route({ experts, topK: k, tensor }, x) {
    const logits = linear(x, tensor('weight'));
    const probabilities = softmax(logits);
    const { values, indices } = topK(probabilities, k);
    return {
      ...fullChoices(indices, experts),
      weights: values,
      scores: logits,
      losses: [],
      details: { selection: probabilities },
    };
  },
};

describe('defineRouter', () => {
  it.each([
    [
      { name: 'My Router' },
      'name must be lower-case words and digits with hyphens between, such as my-router, got "My Router"',
    ],
    [{ defaults: undefined }, 'defaults of own must be an object of settings'],
    [{ defaults: { sharpness: [1] } }, 'defaults.sharpness of own must be a number, true or false, or a word'],
    [{ route: undefined }, 'route of own must be a function'],
    [{ traits: TRAITS }, 'traits of own must be a function'],
  ])('says what is wrong with %j', (wrong, message) => {
    expect(() => defineRouter({ ...definition, ...wrong } as unknown as RouterDefinition<Settings>)).toThrow(message);
  });

  it('makes a method that is known while it is registered, by a name that is none of ours', () => {
    const router = defineRouter(definition);
    expect(() => resolveRouter('custom-own')).toThrow(
      'the router custom-own is none of this library, and not known here',
    );
    const forget = registerRouter(router);
    expect(resolveRouter('custom-own')).toEqual({ kind: 'custom-own', sharpness: 1 });
    expect(() => resolveRouter('custom-own', { sharpness: 0 } as object)).toThrow(
      'custom-own: sharpness must be a finite number above 0',
    );
    expect(routerTraits({ kind: 'custom-own' })).toBe(TRAITS);
    registerRouter(router)();
    expect(() => registerRouter(defineRouter(definition))).toThrow('there is another router custom-own already');
    forget();
    expect(() => resolveRouter('custom-own')).toThrow('not known here');
  });
});

describe('checkRouter', { timeout: 60_000 }, () => {
  it('finds nothing in a router that is what it says', async () => {
    expect(await checkRouter(defineRouter(definition))).toEqual([]);
  });

  it.each([
    [
      'alike',
      { traits: () => ({ ...TRAITS, alike: false }) },
      'traits.alike is false, but evaluation routes as training',
    ],
    [
      'weightSum',
      { traits: () => ({ ...TRAITS, weightSum: 1 }) },
      'traits.weightSum is 1, but in training weights sum to',
    ],
    [
      'expertTensors',
      { traits: () => ({ ...TRAITS, expertTensors: [] }) },
      'traits.expertTensors is empty, but a row an expert have weight',
    ],
    [
      'counts',
      {
        route: (...given: Parameters<typeof definition.route>) => {
          const routing = definition.route(...given);
          return { ...routing, counts: fullChoices(topK(routing.scores, 1).indices, given[0].experts).counts };
        },
      },
      'but the choices are',
    ],
    [
      'loss terms',
      {
        route: (...given: Parameters<typeof definition.route>) => ({
          ...definition.route(...given),
          losses: [{ name: 'own', value: sum(given[1]), weight: 1 }],
        }),
      },
      'there are loss terms in evaluation',
    ],
  ])('says what is untrue: %s', async (_, wrong, message) => {
    const problems = await checkRouter(defineRouter({ ...definition, ...wrong }), {
      seed: 1,
    });
    expect(problems.join('\n')).toContain(message);
  });
});
