/**
 * How hard each term of the objective pulls at the parts of a model: norms of its gradient alone, from extra backward
 * passes over one batch.
 */
import type { Batch } from '@lpr/data';
import type { Decoder, DecoderOutput } from '@lpr/model';
import type { PartNorms } from '@lpr/runs';
import { routerTraits } from '@lpr/moe';
import type { Channel } from '@lpr/mpi';
import { add, affine, awaited, backwardPausing, type RandomKey, scope, type Tensor } from '@lpr/tensor';
import { dropGradients, uploadBatch } from './micro-batches.ts';
import { normOfLeaves } from './parallel/shared-experts.ts';

const PARTS = ['router', 'prototypes', 'trunk'] as const;

/** The cross entropy among the terms. */
const TASK = 'task';

/**
 * Norms by term ('task': the cross entropy; a further term: weighted, over all layers). A term without a gradient at a
 * part scores 0 there. Nothing else is changed; no gradients may be pending.
 *
 * @param ranks where each owns some of the experts: all call this with the same batch and noise, and get the same
 *   norms. Rows of all of them go to the experts, and those of rank 0 alone have a gradient.
 */
export async function measureGradientNorms(
  decoder: Decoder,
  batch: Batch,
  noise: RandomKey,
  ranks: Channel | null = null,
): Promise<Record<string, PartNorms>> {
  const { device } = decoder;
  const parts = partsOf(decoder);
  const norms: Record<string, PartNorms> = {};
  const pending = [TASK];
  for (let term = pending.pop(); term !== undefined; term = pending.pop()) {
    const [router, prototypes, trunk] = await scope(device, async () => {
      const output = await awaited(decoder.forwardPausing(uploadBatch(decoder, batch), { training: true, noise }));
      if (term === TASK) pending.push(...new Set(output.losses.map(({ name }) => name)));
      const value = valueOf(term, output);
      const isCounted = ranks === null || ranks.rank === 0;
      if (value.tracked) await awaited(backwardPausing(isCounted ? value : affine(value, 0)));
      const read: number[] = [];
      // One after the other, so that ranks exchange them in one order.
      for (const part of PARTS) read.push(await normOfLeaves(decoder, parts[part], ranks));
      return read as [number, number, number];
    });
    norms[term] = { router, prototypes, trunk };
    dropGradients(decoder);
  }
  return norms;
}

function valueOf(term: string, { taskLoss, losses }: DecoderOutput): Tensor {
  if (term === TASK) return taskLoss;
  return losses
    .filter(({ name }) => name === term)
    .map(({ value, weight }) => affine(value, weight))
    .reduce((a, b) => add(a, b));
}

/**
 * Every trained tensor by the part it belongs to. Prototypes are what a router holds of each expert, such as the rows
 * of a linear router.
 */
function partsOf(decoder: Decoder): Record<(typeof PARTS)[number], Tensor[]> {
  const plans = decoder.plan.layers.flatMap(({ feedForward }) => (feedForward.kind === 'moe' ? [feedForward] : []));
  const router = new Set<Tensor>();
  const prototypes = new Set<Tensor>();
  decoder.routers.forEach(({ parameters }, i) => {
    const { expertTensors } = routerTraits(plans[i]!.router);
    for (const [name, tensor] of parameters) (expertTensors.includes(name) ? prototypes : router).add(tensor);
  });
  const trunk = [...decoder.parameters.values()].filter((tensor) => !router.has(tensor) && !prototypes.has(tensor));
  return { router: [...router], prototypes: [...prototypes], trunk };
}
