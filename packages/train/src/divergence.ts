/** Where a step that went wrong first had a number that is not finite: in which weight, activation or gradient. */
import { multiply, scope, sum, type Tensor } from '@lpr/tensor';
import { dropGradients } from './micro-batches.ts';
import type { Trainer } from './trainer.ts';

/**
 * Repeats the forward and backward pass of a step, counted from 0, before which the trainer stands, and checks what it
 * computes in that order: weights, activations layer by layer, the terms of the loss besides cross entropy, the whole
 * loss, then gradients from the last layer to the first. Nothing is updated.
 *
 * @returns such as "the activations of model.layers.3.mlp.gate"; null when all is finite
 */
export async function locateDivergence(trainer: Trainer, index: number): Promise<string | null> {
  const { decoder } = trainer;
  const weights = [...decoder.parameters, ...decoder.buffers];
  const broken = await firstBroken(weights.map(([name, tensor]) => [name, probe(tensor)]));
  if (broken !== null) return `the weights of ${broken}`;
  const activations: Probes = [];
  trainer.inspectStep(index, (name, activation) => {
    // A scalar each: activations themselves are freed as the pass goes on.
    activations.push([name, probe(activation)]);
  });
  const gradients: Probes = [...decoder.parameters]
    .toReversed()
    .flatMap(([name, { grad }]) => (grad === null ? [] : [[name, probe(grad)] as const]));
  dropGradients(decoder);
  const activation = await firstBroken(activations);
  if (activation !== null) return activation.startsWith('the loss') ? activation : `the activations of ${activation}`;
  const gradient = await firstBroken(gradients);
  return gradient === null ? null : `the gradient of ${gradient} (all activations are finite)`;
}

type Probes = (readonly [name: string, probe: Promise<number>])[];

/** 0 when all numbers of a tensor are finite, NaN otherwise: 0 times anything else is not 0. */
function probe(tensor: Tensor): Promise<number> {
  const { value } = scope(tensor.device, () => ({ value: sum(multiply(tensor, 0)).item() }), { gradients: false });
  return value;
}

async function firstBroken(probes: Probes): Promise<string | null> {
  const values = await Promise.all(probes.map(([, value]) => value));
  const at = values.findIndex((value) => value !== 0);
  return at < 0 ? null : probes[at]![0];
}
