/**
 * A step in parts: each micro-batch is differentiated by itself, and what they leave adds up to what one large batch
 * would, in their order. Who computes which of them changes nothing, so that ranks may share them out.
 */
import type { Batch } from '@lpr/data';
import type { Decoder, DecoderOutput, DecoderPart, LayerLoss, Observer } from '@lpr/model';
import { mergeStatistics, type RoutingStatistics } from '@lpr/moe';
import {
  add,
  affine,
  backwardPausing,
  cast,
  concatenate,
  type GradientReceiver,
  type Pausing,
  pausingScope,
  type RandomKey,
  reshape,
  type Tensor,
  tensor,
} from '@lpr/tensor';

/** A part of a step, and what it counts for in the whole. */
export interface MicroBatch {
  readonly batch: Batch;
  readonly noise: RandomKey;
  /** Its share in the labels of the step: what its mean cross entropy weighs in the mean over the step. */
  readonly share: number;
  /** What its other loss terms weigh. */
  readonly ofTerms: number;
  /**
   * Where it lies in its step, with what its losses read of the others; null where it stands for itself.
   */
  readonly part: DecoderPart | null;
}

/** What the micro-batches of a step add up to. */
export interface StepSums {
  readonly terms: readonly Omit<LayerLoss, 'value'>[];
  /** f32: objective, cross entropy, the raw terms. */
  readonly values: Tensor;
  /** i32 `[M]` of each layer. */
  readonly counts: readonly Tensor[];
  /** What the routers' updates read, a layer each. */
  readonly statistics: readonly RoutingStatistics[];
}

/**
 * @param noise of the step
 * @param terms whether the loss terms besides cross entropy are those of the whole step, or are added up
 * @throws RangeError where a batch has no labels
 */
export function microBatchesOf(batches: readonly Batch[], noise: RandomKey, terms: 'mean' | 'sum'): MicroBatch[] {
  const shares = labelShares(batches);
  if (batches.length === 1 || terms === 'sum') {
    // A micro-batch that stands for itself has noise of its own.
    return batches.map((batch, place) => ({
      batch,
      noise: place === 0 ? noise : noise.fold(place),
      share: shares[place]!,
      ofTerms: 1,
      part: null,
    }));
  }
  const tokens = batches.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  let first = 0;
  return batches.map((batch, place) => {
    const part = { first, tokens };
    first += batch.inputIds.length;
    return { batch, noise, share: shares[place]!, ofTerms: batch.inputIds.length / tokens, part };
  });
}

/** Whether some loss of a part reads the statistics of the whole step, which a survey of all parts finds beforehand. */
export function needSurvey(decoder: Decoder, parts: readonly MicroBatch[]): boolean {
  return decoder.poolsLosses && parts.some(({ part }) => part !== null);
}

/** What the losses of the other parts read of this one, a layer each. */
export function surveyOf(decoder: Decoder, { batch, noise, part }: MicroBatch): Pausing<RoutingStatistics[]> {
  return pausingScope(decoder.device, () =>
    decoder.surveyPausing(uploadBatch(decoder, batch).inputIds, { training: true, noise, part: part! }),
  );
}

/** The parts with the statistics of the whole step. */
export function withStatistics(
  parts: readonly MicroBatch[],
  statistics: readonly RoutingStatistics[],
): readonly MicroBatch[] {
  return parts.map((each) => ({ ...each, part: { ...each.part!, statistics } }));
}

/**
 * Adds the gradients of a micro-batch to those in the parameters.
 *
 * @param observe told of the activations of the forward pass
 * @param receive gets the gradients, in place of adding them
 */
export function differentiate(
  decoder: Decoder,
  { batch, noise, share, ofTerms, part }: MicroBatch,
  { observe, receive }: { readonly observe?: Observer; readonly receive?: GradientReceiver },
): Pausing<StepSums> {
  // A scope of its own, so that no more than one micro-batch is in memory.
  return pausingScope(decoder.device, function* () {
    const context = { training: true, noise, ...(part && { part }), ...(observe && { observe }) };
    const output = yield* decoder.forwardPausing(uploadBatch(decoder, batch), context);
    const objective = shareOfObjective(output, share, ofTerms);
    for (const { name, layer, value } of output.losses) {
      observe?.(`the loss term ${name}${layer === null ? '' : ` of layer ${layer}`}`, value);
    }
    observe?.('the loss', objective);
    yield* backwardPausing(objective, undefined, receive);
    const scalars = [
      objective,
      affine(output.taskLoss, share),
      ...output.losses.map(({ value }) => affine(value, ofTerms)),
    ];
    const terms = output.losses.map(({ name, layer, weight }) => ({ name, layer, weight }));
    return { terms, values: joined(scalars), counts: output.counts, statistics: output.statistics };
  });
}

/** Those of a step, from those of all its micro-batches in their order. */
export function addUp(all: readonly StepSums[]): StepSums {
  return {
    terms: all[0]!.terms,
    values: all.map(({ values }) => values).reduce((a, b) => add(a, b)),
    counts: all.map(({ counts }) => counts).reduce((a, b) => a.map((count, layer) => addCounts(count, b[layer]!))),
    statistics: mergeStatistics(all.map(({ statistics }) => statistics)),
  };
}

/** Frees the gradients that `backward` left in the parameters. */
export function dropGradients({ parameters }: Decoder): void {
  for (const parameter of parameters.values()) {
    parameter.grad?.dispose();
    parameter.grad = null;
  }
}

/** A batch as tensors of the decoder's device. */
export function uploadBatch(decoder: Decoder, batch: Batch): { inputIds: Tensor; labels: Tensor } {
  const shape = [batch.batch, batch.sequenceLength];
  return {
    inputIds: tensor(decoder.device, batch.inputIds, shape),
    labels: tensor(decoder.device, batch.labels, shape),
  };
}

/** All elements of some tensors, one after the other. */
export function joined(tensors: readonly Tensor[]): Tensor {
  return concatenate(
    tensors.map((x) => reshape(x, [x.size])),
    0,
  );
}

/** The share of each micro-batch in the labels of a step. */
function labelShares(batches: readonly Batch[]): number[] {
  const counts = batches.map(countLabels);
  const total = counts.reduce((a, b) => a + b, 0);
  if (counts.includes(0)) throw new RangeError('Trainer: a batch has no label to learn from; each needs at least one');
  return counts.map((count) => count / total);
}

/** Labels of a batch that enter its loss: all but -100, as in `linearCrossEntropy`. */
export function countLabels({ labels }: Batch): number {
  return labels.reduce((sum, label) => sum + (label === -100 ? 0 : 1), 0);
}

/**
 * What a micro-batch adds to the objective of its step: cross entropy by its share of the labels, every other term by
 * `part`.
 */
function shareOfObjective({ taskLoss, totalLoss }: DecoderOutput, share: number, part: number): Tensor {
  const scaled = part === 1 ? totalLoss : affine(totalLoss, part);
  return share === part ? scaled : add(scaled, affine(taskLoss, share - part));
}

function addCounts(a: Tensor, b: Tensor): Tensor {
  // f32 is exact here: a step has fewer than 2^24 choices of one expert.
  return cast(add(cast(a, 'f32'), cast(b, 'f32')), 'i32');
}
