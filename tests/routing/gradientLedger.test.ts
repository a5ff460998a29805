/** Which term of LPR's loss reaches which parameters: a term that should leave a group alone must give it a gradient of exactly zero. */
import { latentPrototypePresets } from '@lpr/moe';
import { backward, createWasmDevice, multiply, RandomKey, randomNormal, scope, sum, type Tensor } from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { disposeRouter, makeRouter } from './routers.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const latentDim = 4;
const shape = { hidden: 10, experts: 6, topK: 2 };

type Group = 'norm' | 'mean' | 'variance' | 'keys' | 'projection';
/** 'weights' and 'expertInput' are what the task's loss sees of a router. */
type Term = 'weights' | 'expertInput' | 'diversityTokens' | 'diversityKeys' | 'kl' | 'alignment';

const encoder: Group[] = ['norm', 'mean'];
const ledger: Record<keyof typeof latentPrototypePresets, Partial<Record<Term, Group[]>>> = {
  // Scores come from the sample, so the variance sees every term but the one on the keys.
  paper: {
    weights: [...encoder, 'variance', 'keys'],
    diversityTokens: [...encoder, 'variance'],
    kl: [...encoder, 'variance'],
    alignment: [...encoder, 'variance', 'keys'],
  },
  // Scores come from the mean: the variance sees the KL divergence alone.
  official: {
    weights: [...encoder, 'keys'],
    expertInput: [...encoder, 'keys', 'projection'],
    diversityTokens: encoder,
    diversityKeys: ['keys'],
    kl: [...encoder, 'variance'],
    alignment: ['keys'],
  },
  corrected: {
    weights: [...encoder, 'keys'],
    diversityTokens: encoder,
    diversityKeys: ['keys'],
    kl: [...encoder, 'variance'],
    alignment: ['keys'],
  },
};

const rows = Object.entries(ledger).flatMap(([preset, terms]) =>
  Object.entries(terms).map(([term, groups]) => [preset, term, groups] as [keyof typeof ledger, Term, Group[]]),
);

describe('gradient ledger of LPR', () => {
  it.each(rows)('%s: %s reaches %j', async (preset, term, expected) => {
    const options = { kind: 'latentPrototype' as const, ...latentPrototypePresets[preset], latentDim };
    const router = makeRouter(device, options, shape, 3);
    const reached = await scope(device, async () => {
      const x = randomNormal(device, [20, shape.hidden], RandomKey.fromSeed(1));
      const routing = router.route(x, { training: true, noise: RandomKey.fromSeed(2) });
      const names = [
        ...routing.losses.map(({ name }) => name),
        'weights',
        ...(routing.expertInput ? ['expertInput'] : []),
      ];
      expect(names.sort()).toEqual(Object.keys(ledger[preset]).sort());
      const weighted = (y: Tensor): Tensor => sum(multiply(y, randomNormal(device, y.shape, RandomKey.fromSeed(5))));
      if (term === 'weights') backward(weighted(routing.weights));
      else if (term === 'expertInput') backward(weighted(routing.expertInput!));
      else backward(routing.losses.find(({ name }) => name === term)!.value);
      const gradientOf = async (name: string): Promise<number[]> => {
        const gradient = router.parameters.get(name)?.grad;
        return gradient == null ? [] : Array.from(await gradient.data());
      };
      const weight = await gradientOf('encoder.weight');
      const bias = await gradientOf('encoder.bias');
      const half = latentDim * shape.hidden;
      const groups: Record<Group, number[]> = {
        norm: [...(await gradientOf('norm.weight')), ...(await gradientOf('norm.bias'))],
        mean: [...weight.slice(0, half), ...bias.slice(0, latentDim)],
        variance: [...weight.slice(half), ...bias.slice(latentDim)],
        keys: await gradientOf('expert_keys'),
        projection: [...(await gradientOf('out_proj.weight')), ...(await gradientOf('out_proj.bias'))],
      };
      return Object.entries(groups).flatMap(([group, gradient]) => (gradient.some((g) => g !== 0) ? [group] : []));
    });
    expect(reached).toEqual(
      ['norm', 'mean', 'variance', 'keys', 'projection'].filter((g) => expected.includes(g as Group)),
    );
    disposeRouter(router);
    expect(device.memory.liveBuffers).toBe(0);
  });
});
