import { createRouter } from '@lpr/moe';
import { routerOf } from '@lpr/model';
import {
  add,
  assign,
  backward,
  createWasmDevice,
  multiply,
  parameter,
  scope,
  state,
  sum,
  type Tensor,
  tensor,
} from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { regularizerOutputs, routingOutputs } from './decoders.ts';
import { casesOf, Comparison, Fixture, informativePenalty, missing, reasonToSkip } from './fixtures.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const cases = casesOf((kind) => kind === 'router');

it('finds the fixtures', ({ skip }) => {
  skip(cases.length === 0, missing);
  expect(cases).not.toEqual([]);
});

describe.skipIf(cases.length === 0)('a router alone as in PyTorch', () => {
  it.for(cases.map((info) => [info.case, info] as const))('%s', async ([, info], { skip }) => {
    const reason = reasonToSkip(info);
    skip(reason !== null, reason ?? '');
    const fixture = new Fixture(info);
    const { config } = info;
    const tensors = new Map<string, Tensor>();
    for (const [name, { shape, data }] of fixture.weights()) {
      // Moving averages get no gradient in the released code either.
      const target = name.startsWith('ema_') ? state(device, shape) : parameter(device, data as Float32Array, shape);
      assign(target, data as Float32Array);
      tensors.set(name, target);
    }
    const options = routerOf(config as unknown as Parameters<typeof routerOf>[0], () => ({
      kind: 'topKSoftmax',
      renormalize: true,
    }));
    const shape = {
      hidden: Number(config['hidden_size']),
      experts: Number(config['num_experts']),
      topK: Number(config['num_experts_per_tok']),
    };
    const router = createRouter(options, shape, tensors);
    const strength = Number(config['router_kl_loss_coef']);
    const lambda = config['lpr_formulation'] === 'reference' ? Number(config['diversity_lambda']) : 1;
    const comparison = new Comparison(fixture);

    await scope(device, async () => {
      const own = (name: string): Tensor => tensor(device, fixture.values(name), fixture.get(name).shape);
      const x = parameter(own('in.x'));
      const routing = router.route(x, { training: true, noise: own('in.eps') });
      let objective = sum(multiply(own('in.ct_weights'), routing.weights));
      const decoded = routing.details!['z_decoded'];
      if (decoded !== undefined) objective = add(objective, sum(multiply(own('in.ct_z_decoded'), decoded)));
      for (const { value, weight } of routing.losses) objective = add(objective, multiply(value, weight / strength));

      comparison.equal('out.selected', await routing.experts.data());
      comparison.close('out.objective', [await objective.item()]);
      const tensorsOut = routingOutputs(routing);
      const scalars = await regularizerOutputs(routing.losses, strength, lambda);
      for (const name of fixture.names('out.')) {
        if (tensorsOut.has(name)) comparison.close(`out.${name}`, await tensorsOut.get(name)!.data());
        else if (scalars.has(name)) comparison.close(`out.${name}`, [scalars.get(name)!]);
      }
      backward(objective);
      for (const name of fixture.names('grad.')) {
        const { grad } = name === 'in.x' ? x : tensors.get(name)!;
        comparison.close(`grad.${name}`, await grad!.data());
      }
      x.dispose();
    });
    comparison.reportUncompared(informativePenalty(info));
    expect(comparison.problems).toEqual([]);
    tensors.forEach((owner) => owner.dispose());
    expect(device.memory.liveBuffers).toBe(0);
  });
});
