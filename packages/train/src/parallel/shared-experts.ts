/**
 * A decoder whose experts lie on several ranks: which of its parameters a rank holds a part of, the norm of gradients
 * that no rank has all of, and whole tensors from and to all ranks, as checkpoints hold them.
 */
import type { Channel } from '@lpr/mpi';
import { type Decoder, type ModelParameter, tensorOf } from '@lpr/model';
import { expertsOfRank } from '@lpr/moe';
import { full, globalNorm, sizeOf, type Tensor } from '@lpr/tensor';

/** Parameters of which other ranks hold the rest; none where all experts lie here. */
export function heldExperts(decoder: Decoder): ReadonlySet<Tensor> {
  return new Set(sharedParameters(decoder).map(({ name }) => tensorOf(decoder, name)));
}

/** Those that several ranks hold together, in the order of the layout. */
export function sharedParameters({ layout }: Decoder): readonly ModelParameter[] {
  return layout.filter(({ rows }) => rows !== undefined);
}

/** The global norm of the gradients of all ranks, a scalar: of experts each has its own, of all else the same. */
export async function normOverRanks(decoder: Decoder, communicator: Channel): Promise<Tensor> {
  return full(decoder.device, [], await normOfLeaves(decoder, [...decoder.parameters.values()], communicator));
}

/**
 * The norm of the gradients of some parameters: of experts those of all ranks, of all else rank 0's.
 *
 * @param ranks null where one has all experts
 */
export async function normOfLeaves(
  decoder: Decoder,
  leaves: readonly Tensor[],
  ranks: Channel | null,
): Promise<number> {
  const held = heldExperts(decoder);
  const normOf = async (isHeld: boolean): Promise<number> => {
    const gradients = leaves.flatMap(({ grad }, i) => (held.has(leaves[i]!) === isHeld && grad !== null ? [grad] : []));
    return gradients.length === 0 ? 0 : await globalNorm(gradients).item();
  };
  const [own, others] = (await Promise.all([true, false].map(normOf))) as [number, number];
  if (ranks === null) return others;
  const all = new Float32Array(2 * ranks.size);
  await ranks.allGather(Float32Array.of(own, others), all);
  return Math.hypot(all[1]!, ...all.filter((_, i) => i % 2 === 0));
}

/** Numbers of a parameter, or of what is as large, that each rank holds. */
function partsOf({ shape }: ModelParameter, size: number): number[] {
  const [experts = 0, ...matrix] = shape;
  return Array.from({ length: size }, (_, rank) => {
    const [first, end] = expertsOfRank(experts, { rank, size });
    return (end - first) * sizeOf(matrix);
  });
}

/** Numbers that all ranks send together at a time, at most: a tensor of all experts may be larger than a message. */
const MOST_AT_ONCE = 2 ** 26;

/** A turn of an exchange: of the part of each rank the numbers that go, from one place to another. */
type Turn = readonly { readonly from: number; readonly to: number }[];

function* turnsOf(parts: readonly number[], most: number): Generator<Turn> {
  const length = Math.max(1, Math.floor(most / parts.length));
  for (let from = 0; from < Math.max(...parts); from += length) {
    yield parts.map((part) => ({ from: Math.min(from, part), to: Math.min(from + length, part) }));
  }
}

/**
 * Rank 0 gets a whole tensor from what each rank holds of it; the others get nothing. All ranks call it.
 *
 * @param most numbers that are sent at a time
 */
export async function collect(
  channel: Channel,
  parameter: ModelParameter,
  own: Float32Array,
  most: number = MOST_AT_ONCE,
): Promise<Float32Array> {
  const { rank, size } = channel;
  const parts = partsOf(parameter, size);
  const none = parts.map(() => 0);
  const whole = new Float32Array(rank === 0 ? sizeOf(parameter.shape) : 0);
  for (const turn of turnsOf(parts, most)) {
    const { from, to } = turn[rank]!;
    const arriving = turn.map((part) => (rank === 0 ? part.to - part.from : 0));
    const into = new Float32Array(total(arriving));
    await channel.allToAllV(own.subarray(from, to), none.with(0, to - from), into, arriving);
    if (rank === 0) {
      let at = 0;
      for (const [place, length] of arriving.entries()) {
        whole.set(into.subarray(at, (at += length)), total(parts.slice(0, place)) + turn[place]!.from);
      }
    }
  }
  return whole;
}

/**
 * Each rank gets what it holds of a tensor that rank 0 gives whole. All ranks call it.
 *
 * @param most numbers that are sent at a time
 */
export async function spread(
  channel: Channel,
  parameter: ModelParameter,
  whole: Float32Array | null,
  most: number = MOST_AT_ONCE,
): Promise<Float32Array> {
  const { rank, size } = channel;
  const parts = partsOf(parameter, size);
  const none = parts.map(() => 0);
  const own = new Float32Array(parts[rank]!);
  for (const turn of turnsOf(parts, most)) {
    const sent = turn.map(({ from, to }) => (whole === null ? 0 : to - from));
    const send = new Float32Array(total(sent));
    let at = 0;
    for (const [place, { from, to }] of turn.entries()) {
      if (whole === null) break;
      const start = total(parts.slice(0, place));
      send.set(whole.subarray(start + from, start + to), at);
      at += to - from;
    }
    const { from, to } = turn[rank]!;
    await channel.allToAllV(send, sent, own.subarray(from, to), none.with(0, to - from));
  }
  return own;
}

function total(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
