import { importWeights } from '@lpr/model';
import { loadBalancingLosses } from '@lpr/moe';
import { backward, createWasmDevice, scope, tensor } from '@lpr/tensor';
import { afterAll, describe, expect, it } from 'vitest';
import { batchOf, decoderOf, pieces, regularizerOutputs, routingOutputs } from './decoders.ts';
import { casesOf, Comparison, Fixture, informativePenalty, missing, reasonToSkip } from './fixtures.ts';
import { AdamW } from './optimize.ts';

const device = await createWasmDevice({ threads: 2 });
afterAll(() => device.dispose());

// Cases of kinds that no test here knows are listed too, with the reason.
const cases = casesOf((kind) => !['router', 'trajectory', 'measures', 'ema'].includes(kind));

it('finds the fixtures', ({ skip }) => {
  skip(cases.length === 0, missing);
  expect(cases.some(({ kind }) => kind === 'model')).toBe(true);
});

describe.skipIf(cases.length === 0)('outputs, losses, gradients and one optimiser step as in PyTorch', () => {
  it.for(cases.map((info) => [info.case, info] as const))('%s', async ([, info], { skip }) => {
    const reason = reasonToSkip(info);
    skip(reason !== null, reason ?? '');
    const fixture = new Fixture(info);
    const comparison = new Comparison(fixture);
    const decoder = decoderOf(device, fixture);
    const noise = new Map(
      fixture.names('in.eps.').map((layer) => {
        const { shape } = fixture.get(`in.eps.${layer}`);
        return [Number(layer), tensor(device, fixture.values(`in.eps.${layer}`), shape)];
      }),
    );
    const context = { training: true, noise };
    const strength = Number(info.config['router_kl_loss_coef'] ?? 1);
    const lambda = Number(info.config['diversity_lambda'] ?? 1);

    await scope(device, async () => {
      const { shape } = fixture.get('in.input_ids');
      const batch = batchOf(device, fixture.integers('in.input_ids'), fixture.integers('in.labels'), shape);
      comparison.close('out.logits', await decoder.logits(batch.inputIds, context).data());
      const output = decoder.forward(batch, context);
      comparison.close('out.loss.task', [await output.taskLoss.item()]);
      comparison.close('out.loss.total', [await output.totalLoss.item()]);
      if (info.config['router_type'] === 'vanilla') {
        const [auxiliary] = loadBalancingLosses(output.routings, 'pooled');
        comparison.close('out.loss.aux', [await auxiliary!.item()]);
      } else {
        const terms = await regularizerOutputs(output.losses, strength, lambda);
        comparison.close('out.loss.reg', [terms.get('reg')!]);
      }
      for (const [i, routing] of output.routings.entries()) {
        const prefix = `out.layers.${decoder.moeLayers[i]}.`;
        const selected = await routing.experts.data();
        comparison.equal(`${prefix}selected`, selected);
        const counts = Array.from(await output.counts[i]!.data());
        expect(counts).toEqual(counts.map((_, e) => selected.filter((expert) => expert === e).length));
        const tensors = routingOutputs(routing);
        const scalars = await regularizerOutputs(routing.losses, strength, lambda);
        for (const name of fixture.names(prefix)) {
          if (tensors.has(name)) comparison.close(prefix + name, await tensors.get(name)!.data());
          else if (scalars.has(name)) comparison.close(prefix + name, [scalars.get(name)!]);
        }
      }
      backward(output.totalLoss);
      const gradients = await pieces(decoder, ({ grad }) => grad!);
      gradients.forEach((gradient, name) => comparison.close(`grad.${name}`, gradient));
    });

    // The sequence-wise loss of DeepSeek-V3 is given for information, summed over layers; no case has it in its total.
    if (info.config['model_type'] === 'deepseek_v3' && info.config['router_type'] === 'vanilla') {
      const weight = 0.5;
      const balanced = decoderOf(device, fixture, { aux_loss_alpha: weight });
      await scope(device, async () => {
        const { shape } = fixture.get('in.input_ids');
        const batch = batchOf(device, fixture.integers('in.input_ids'), fixture.integers('in.labels'), shape);
        const { losses, totalLoss } = balanced.forward(batch, context);
        const terms = losses.filter(({ name }) => name === 'sequenceBalance');
        const values = await Promise.all(terms.map(({ value }) => value.item()));
        const sum = values.reduce((a, b) => a + b, 0);
        comparison.close('out.loss.aux_seq', [sum]);
        comparison.close('out.loss.total', [(await totalLoss.item()) - weight * sum]);
      });
      balanced.dispose();
    }

    const optimizer = new AdamW(device, decoder.parameters.values(), info.optimizer);
    comparison.close('out.grad_norm', [await optimizer.step(info.optimizer.lr)]);
    const after = await pieces(decoder, (parameter) => parameter);
    after.forEach((values, name) => comparison.after(name, values, 'after'));
    for (const name of info.parameters_without_gradient) {
      comparison.equal(`after.${name}`, await decoder.buffers.get(name)!.data());
    }

    // The step alone, from the stored gradients.
    importWeights(decoder, fixture.weights());
    for (const { name, trained, pieces: parts } of decoder.layout) {
      const parameter = decoder.parameters.get(name);
      if (!trained || parameter === undefined) continue;
      const gradient = new Float32Array(parameter.size);
      for (const part of parts) gradient.set(fixture.values(`grad.${part.name}`), part.start);
      parameter.grad = tensor(device, gradient, parameter.shape);
    }
    const fresh = new AdamW(device, decoder.parameters.values(), info.optimizer);
    await fresh.step(info.optimizer.lr);
    const alone = await pieces(decoder, (parameter) => parameter);
    alone.forEach((values, name) => comparison.after(name, values, 'after_from_fixture_grads'));

    comparison.reportUncompared(informativePenalty(info));
    expect(comparison.problems).toEqual([]);
    [decoder, optimizer, fresh, ...noise.values()].forEach((owner) => owner.dispose());
    expect(device.memory.liveBuffers).toBe(0);
  });
});
