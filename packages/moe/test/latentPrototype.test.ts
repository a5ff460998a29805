import { assign, randomNormal, scope, tensor } from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createParameters,
  latentPrototypePresets,
  type LatentPrototypeOptions,
  resolveLatentPrototype,
  type RouterOptions,
} from '../src/index.ts';
import { device, dot, key, makeRouter, toMatrix, unit } from './support.ts';

afterAll(() => device.dispose());

const shape = { hidden: 12, experts: 6, topK: 2 };
const options = (
  preset: keyof typeof latentPrototypePresets,
  overrides: Partial<LatentPrototypeOptions> = {},
): RouterOptions => ({ kind: 'latentPrototype', ...resolveLatentPrototype(preset, { latentDim: 4, ...overrides }) });

describe('resolveLatentPrototype', () => {
  it('changes what it is told to and nothing else', () => {
    expect(resolveLatentPrototype('corrected', { temperature: 2 })).toEqual({
      ...latentPrototypePresets.corrected,
      temperature: 2,
    });
  });

  it.each([
    [{ latentDim: 1.5 }, 'latentDim must be a whole number of at least 1, got 1.5'],
    [{ temperature: 0 }, 'temperature must be above 0, got 0'],
    [{ klWeight: -1 }, 'klWeight must be a finite number of at least 0, got -1'],
    [{ outProjection: 1 }, 'outProjection must be true or false, got 1'],
    [{ alignment: 'l2' }, 'alignment must be one of paper, official, assignedMean, got "l2"'],
    [{ temprature: 2 }, 'temprature must be one of the settings measure, kernelWidth'],
  ])('rejects %j', (overrides, message) => {
    expect(() => resolveLatentPrototype('corrected', overrides as Partial<LatentPrototypeOptions>)).toThrow(message);
  });
});

describe('LatentPrototypeRouter', () => {
  it('scores by cosine times temperature, also of a token whose latent is zero', async () => {
    const router = makeRouter(options('corrected', { temperature: 5 }), shape);
    await scope(device, async () => {
      const x = tensor(device, new Float32Array(3 * 12), [3, 12]);
      assign(x, [...Array.from({ length: 24 }, (_, i) => Math.sin(i * i)), ...Array.from({ length: 12 }, () => 1)]);
      const { scores, details, weights } = router.route(x, { training: true });
      const latents = await toMatrix(details!['mu']!);
      const keys = await toMatrix(router.parameters.get('expert_keys')!);
      // A constant token is zero after LayerNorm, and the encoder starts without bias.
      expect(latents[2]).toEqual([0, 0, 0, 0]);
      (await toMatrix(scores)).forEach((row, t) =>
        row.forEach((score, e) => expect(score).toBeCloseTo(5 * dot(unit(latents[t]!), unit(keys[e]!)), 5)),
      );
      expect((await toMatrix(weights))[2]).toEqual([0.5, 0.5]);
    });
    [...router.parameters.values(), ...router.buffers.values()].forEach((x) => x.dispose());
  });

  it('selects by score plus bias and weights by score alone', async () => {
    const router = makeRouter(options('corrected'), shape);
    assign(router.buffers.get('selection_bias')!, [0, 0, 0, 100, 200, 0]);
    await scope(device, async () => {
      const { experts, weights, scores } = router.route(randomNormal(device, [5, 12], key), { training: false });
      const all = await toMatrix(scores);
      (await toMatrix(experts)).forEach((chosen) => expect(chosen).toEqual([4, 3]));
      (await toMatrix(weights)).forEach(([first], t) =>
        expect(first).toBeCloseTo(1 / (1 + Math.exp(all[t]![3]! - all[t]![4]!)), 5),
      );
    });
    [...router.parameters.values(), ...router.buffers.values()].forEach((x) => x.dispose());
  });

  it('moves the selection bias towards experts below the mean load', async () => {
    const router = makeRouter(options('corrected', { selectionBiasRate: 0.25 }), { ...shape, experts: 3 });
    const counts = tensor(device, Int32Array.from([4, 3, 2]), [3]);
    router.afterStep(counts);
    router.afterStep(counts);
    expect(Array.from(await router.buffers.get('selection_bias')!.data())).toEqual([-0.5, 0, 0.5]);
    [counts, ...router.parameters.values(), ...router.buffers.values()].forEach((x) => x.dispose());
  });

  it.each(['paper', 'official', 'corrected'] as const)(
    '%s: evaluation has no noise and no loss terms',
    async (preset) => {
      const router = makeRouter(options(preset), shape);
      await scope(device, async () => {
        const { losses, details } = router.route(randomNormal(device, [5, 12], key), { training: false });
        expect(losses).toEqual([]);
        expect(await details!['z']!.data()).toEqual(await details!['mu']!.data());
      });
      [...router.parameters.values(), ...router.buffers.values()].forEach((x) => x.dispose());
    },
  );

  it('asks for noise of the right shape where it samples', () => {
    const router = makeRouter(options('paper'), shape);
    scope(device, () => {
      const x = randomNormal(device, [5, 12], key);
      expect(() => router.route(x, { training: true })).toThrow('give context.noise');
      expect(() => router.route(x, { training: true, noise: x })).toThrow('noise must be [5, 4], got [5, 12]');
    });
    router.parameters.forEach((x) => x.dispose());
  });
});

describe('createParameters', () => {
  it('draws each parameter from a stream of its own name, whatever stands around it', async () => {
    const a = { name: 'a', shape: [3, 4], initial: { kind: 'normal', std: 0.5 }, trained: true } as const;
    const b = { name: 'b', shape: [2, 4], initial: { kind: 'unitRows' }, trained: true } as const;
    const c = { name: 'c', shape: [2, 4], initial: { kind: 'copy', of: 'b' }, trained: false } as const;
    const together = createParameters(device, [a, b, c], key);
    const alone = createParameters(device, [b], key);
    expect(await together.get('b')!.data()).toEqual(await alone.get('b')!.data());
    expect(await together.get('c')!.data()).toEqual(await alone.get('b')!.data());
    expect(together.get('c')!.requiresGrad).toBe(false);
    for (const row of await toMatrix(alone.get('b')!)) expect(dot(row, row)).toBeCloseTo(1, 5);
    [...together.values(), ...alone.values()].forEach((x) => x.dispose());
    expect(device.memory.liveBuffers).toBe(0);
  });
});
