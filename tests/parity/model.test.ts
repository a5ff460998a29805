/** Whole decoders: logits, losses, routing, all gradients, what routers change after a step, and one optimiser step. */
import { type Decoder, type DecoderOutput, importWeights } from '@lpr/model';
import { loadBalancingLosses, zLoss } from '@lpr/moe';
import { backward, createWasmDevice, scope, tensor } from '@lpr/tensor';
import { afterAll, expect, it } from 'vitest';
import {
  batchOf,
  decoderOf,
  informativePenalty,
  optimizerOf,
  pieces,
  regularizerOutputs,
  regularizerScales,
  routingOutputs,
} from './decoders.ts';
import { casesOf, Comparison, type Fixture } from './fixtures.ts';

const device = await createWasmDevice({ threads: 2 });
afterAll(() => device.dispose());

it.for(casesOf('model'))('%s', async ([, fixture]) => {
  const { info } = fixture;
  const comparison = new Comparison(fixture);
  const decoder = decoderOf(device, fixture);
  await scope(device, async () => {
    const { shape } = fixture.get('in.input_ids');
    const batch = batchOf(device, fixture.integers('in.input_ids'), fixture.integers('in.labels'), shape);
    const noise = new Map(
      fixture.names('in.eps.').map((layer) => [Number(layer), fixture.tensor(device, `in.eps.${layer}`)]),
    );
    const context = { training: true, noise };
    comparison.close('out.logits', await decoder.logits(batch.inputIds, context).data());
    const output = decoder.forward(batch, context);
    comparison.close('out.loss.task', [await output.taskLoss.item()]);
    comparison.close('out.loss.total', [await output.totalLoss.item()]);
    if (info.config['router_type'] === 'vanilla') await compareBalance(comparison, fixture, decoder, output);
    else {
      const terms = await regularizerOutputs(output.losses, regularizerScales(info));
      comparison.close('out.loss.reg', [terms.get('reg')!]);
    }
    await compareRouting(comparison, fixture, decoder, output);
    backward(output.totalLoss);
    (await pieces(decoder, ({ grad }) => grad!)).forEach((gradient, name) =>
      comparison.close(`grad.${name}`, gradient),
    );
    const changed = fixture.names('out.after.');
    if (changed.length > 0) decoder.afterStep(output.statistics);
    for (const name of changed) {
      comparison.close(`out.after.${name}`, await (decoder.buffers.get(name) ?? decoder.parameters.get(name)!).data());
    }
  });
  if (fixture.names('after.').length > 0) await compareStep(comparison, fixture, decoder);
  comparison.reportUncompared(informativePenalty(info));
  expect(comparison.problems).toEqual([]);
  decoder.dispose();
  expect(device.memory.liveBuffers).toBe(0);
});

/** Losses that balance the family's own router: those of the total, and those that a case holds for information. */
async function compareBalance(
  comparison: Comparison,
  fixture: Fixture,
  decoder: Decoder,
  { losses, routings }: DecoderOutput,
): Promise<void> {
  if (fixture.tensors.has('out.loss.aux')) {
    const [pooled] = loadBalancingLosses(routings, 'pooled');
    comparison.close('out.loss.aux', [await pooled!.item()]);
  }
  for (const layer of decoder.moeLayers) {
    const own = losses.find((term) => term.name === 'loadBalancing' && term.layer === layer);
    if (own !== undefined) comparison.close(`out.layers.${layer}.aux`, [await own.value.item()]);
  }
  if (!fixture.tensors.has('out.loss.aux_seq')) return;
  // The weight of the sequence-wise loss is 0 in most cases, and the loss is then left out.
  const weight = 0.5;
  const balanced = decoderOf(device, fixture, { aux_loss_alpha: weight });
  const batch = batchOf(
    device,
    fixture.integers('in.input_ids'),
    fixture.integers('in.labels'),
    fixture.get('in.input_ids').shape,
  );
  const output = balanced.forward(batch, { training: true });
  const terms = output.losses.filter(({ name }) => name === 'sequenceBalance');
  const values = await Promise.all(terms.map(({ value }) => value.item()));
  const sum = values.reduce((a, b) => a + b, 0);
  const usual = Number(fixture.info.config['aux_loss_alpha'] ?? 0);
  comparison.close('out.loss.aux_seq', [sum]);
  comparison.close('out.loss.total', [(await output.totalLoss.item()) - (weight - usual) * sum]);
  balanced.dispose();
}

async function compareRouting(
  comparison: Comparison,
  fixture: Fixture,
  decoder: Decoder,
  { routings, counts: allCounts }: DecoderOutput,
): Promise<void> {
  for (const [i, routing] of routings.entries()) {
    const prefix = `out.layers.${decoder.moeLayers[i]}.`;
    const selected = await routing.experts.data();
    comparison.equal(`${prefix}selected`, selected);
    const counts = Array.from(await allCounts[i]!.data());
    expect(counts).toEqual(counts.map((_, e) => selected.filter((expert) => expert === e).length));
    const tensors = routingOutputs(routing);
    const scalars = await regularizerOutputs(routing.losses, regularizerScales(fixture.info));
    for (const name of fixture.names(prefix)) {
      if (tensors.has(name)) comparison.close(prefix + name, await tensors.get(name)!.data());
      else if (scalars.has(name)) comparison.close(prefix + name, [scalars.get(name)!]);
      else if (name === 'z_loss') comparison.close(prefix + name, [await zLoss(routing.logits!).item()]);
    }
  }
}

/** One step of the optimiser, from our gradients and from the stored ones. */
async function compareStep(comparison: Comparison, fixture: Fixture, decoder: Decoder): Promise<void> {
  const { info } = fixture;
  const optimizer = optimizerOf(device, decoder.parameters, info);
  const norm = optimizer.step(info.optimizer.lr);
  comparison.close('out.grad_norm', [await norm.item()]);
  (await pieces(decoder, (parameter) => parameter)).forEach((values, name) => comparison.after(name, values, 'after'));
  for (const name of info['parameters_without_gradient'] as readonly string[]) {
    comparison.equal(`after.${name}`, await decoder.buffers.get(name)!.data());
  }
  importWeights(decoder, fixture.weights());
  for (const { name, trained, pieces: parts } of decoder.layout) {
    const parameter = decoder.parameters.get(name);
    if (!trained || parameter === undefined) continue;
    const gradient = new Float32Array(parameter.size);
    for (const part of parts) gradient.set(fixture.values(`grad.${part.name}`), part.start);
    parameter.grad = tensor(device, gradient, parameter.shape);
  }
  optimizer.reset();
  optimizer.step(info.optimizer.lr).dispose();
  const alone = await pieces(decoder, (parameter) => parameter);
  alone.forEach((values, name) => comparison.after(name, values, 'after_from_fixture_grads'));
  [norm, optimizer].forEach((owner) => owner.dispose());
}
