/**
 * The gradients of a step whose micro-batches several ranks share out. Micro-batch i is rank `i mod size`'s; all ranks
 * end with the same gradients and statistics, and with the bits of one rank that computes all micro-batches itself:
 * what is added up is added up in the order of the micro-batches, whoever computed them.
 */
import type { Communicator } from '@lpr/mpi';
import type { Decoder } from '@lpr/model';
import { mergeStatistics, type RoutingStatistics } from '@lpr/moe';
import { addToGradient, awaited, type GradientReceiver, type Tensor } from '@lpr/tensor';
import {
  addUp,
  differentiate,
  type MicroBatch,
  needSurvey,
  type StepSums,
  surveyOf,
  withStatistics,
} from '../micro-batches.ts';
import { allReduceGradients } from './all-reduce.ts';
import { gatherTensors, readTensors } from './gather.ts';
import type { ExpertExchange } from './expert-exchange.ts';
import { OrderedReduction } from './ordered-reduction.ts';
import { heldExperts } from './shared-experts.ts';

/** Ranks that train one model together. */
export interface Team {
  readonly communicator: Communicator;
  /**
   * How gradients are added up. 'ordered': in the order of the micro-batches, so that the bits do not depend on the
   * number of ranks. 'allReduce': as the MPI library does it, with fewer bytes where a rank has several micro-batches.
   */
  readonly reduction: 'ordered' | 'allReduce';
  /**
   * Numbers of gradients that are sent together, at least, while the backward pass goes on; 2^20 (4 MiB) unless given.
   */
  readonly bucket?: number;
  /** How rows reach the experts where each rank owns some, as the decoder was given it; null, the default: all do. */
  readonly experts?: ExpertExchange | null;
  /**
   * Told of an error in the midst of a step, where the other ranks wait for this one and only an abort reaches them.
   */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Leaves the gradients of all micro-batches in the parameters of each rank, and gives the sums of all of them.
 *
 * @param parts of the whole step, a multiple of the number of ranks
 */
export async function accumulateShared(
  decoder: Decoder,
  parts: readonly MicroBatch[],
  { communicator, reduction, bucket = 2 ** 20 }: Team,
): Promise<StepSums> {
  const { rank, size } = communicator;
  if (parts.length % size !== 0) {
    throw new RangeError(
      `Trainer: ${size} ranks cannot share ${parts.length} micro-batches out evenly; make them a multiple`,
    );
  }
  const isOwn = (_: MicroBatch, place: number): boolean => place % size === rank;
  const statistics = needSurvey(decoder, parts)
    ? mergeStatistics(await gatherStatistics(communicator, await surveys(decoder, parts.filter(isOwn))))
    : null;
  const own = (statistics === null ? parts : withStatistics(parts, statistics)).filter(isOwn);
  if (reduction === 'allReduce') {
    const sums: StepSums[] = [];
    for (const part of own) sums.push(await awaited(differentiate(decoder, part, {})));
    await allReduceGradients(communicator, decoder, bucket);
    return addUp(await gatherSums(communicator, sums, readSums(sums)));
  }
  const gradients = new OrderedReduction(communicator, decoder.device, bucket);
  const held = heldExperts(decoder);
  const receive: GradientReceiver = (leaf, contribution) =>
    (held.has(leaf) ? addToGradient : gradients.receive)(leaf, contribution);
  const sums: StepSums[] = [];
  let before = Promise.resolve();
  for (const [place, part] of own.entries()) {
    sums.push(await awaited(differentiate(decoder, part, { receive })));
    const exchanged = gradients.endMicroBatch(place === own.length - 1);
    // What is recorded already runs meanwhile; one micro-batch ahead keeps device and network busy.
    await before;
    before = exchanged;
  }
  // Before the last messages are awaited, so that it is there when they are.
  const read = readSums(sums);
  read.catch(() => {});
  await before;
  await gradients.finish();
  return addUp(await gatherSums(communicator, sums, read));
}

/** One by one, since their scopes may not lie beside each other. */
async function surveys(decoder: Decoder, parts: readonly MicroBatch[]): Promise<RoutingStatistics[][]> {
  const all: RoutingStatistics[][] = [];
  for (const part of parts) all.push(await awaited(surveyOf(decoder, part)));
  return all;
}

function readSums(own: readonly StepSums[]): Promise<Int32Array[]> {
  return readTensors(own.map(tensorsOfSums));
}

function tensorsOfSums({ values, counts, statistics }: StepSums): Tensor[] {
  return [values, ...counts, ...statistics.flatMap(tensorsOf)];
}

/** Those of all micro-batches in their order, from this rank's. */
async function gatherSums(
  communicator: Communicator,
  own: readonly StepSums[],
  read: Promise<Int32Array[]>,
): Promise<StepSums[]> {
  const all = await gatherTensors(communicator, tensorsOfSums(own[0]!), await read);
  const { terms, counts, statistics } = own[0]!;
  return all.map((tensors) => {
    const next = takeFrom(tensors);
    return {
      terms,
      values: next(),
      counts: counts.map(next),
      statistics: statistics.map((layer) => withTensors(layer, next)),
    };
  });
}

async function gatherStatistics(
  communicator: Communicator,
  own: readonly (readonly RoutingStatistics[])[],
): Promise<RoutingStatistics[][]> {
  const tensors = own.map((layers) => layers.flatMap(tensorsOf));
  const all = await gatherTensors(communicator, tensors[0]!, await readTensors(tensors));
  return all.map((tensors) => {
    const next = takeFrom(tensors);
    return own[0]!.map((layer) => withTensors(layer, next));
  });
}

function tensorsOf({ sums, rows }: RoutingStatistics): Tensor[] {
  return [...Object.values(sums), ...Object.values(rows)];
}

/** The same statistics of other tokens: every micro-batch of a step has as many. */
function withTensors({ tokens, sums, rows }: RoutingStatistics, next: () => Tensor): RoutingStatistics {
  const filled = (named: Readonly<Record<string, Tensor>>): Record<string, Tensor> =>
    Object.fromEntries(Object.keys(named).map((name) => [name, next()]));
  return { tokens, sums: filled(sums), rows: filled(rows) };
}

function takeFrom(tensors: readonly Tensor[]): () => Tensor {
  const values = tensors.values();
  return () => values.next().value!;
}
