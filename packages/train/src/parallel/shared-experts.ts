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
  const held = heldExperts(decoder);
  const gradients = (isHeld: boolean): Tensor[] =>
    [...decoder.parameters.values()].flatMap((leaf) =>
      held.has(leaf) === isHeld && leaf.grad !== null ? [leaf.grad] : [],
    );
  const norms = [gradients(true), gradients(false)].map(async (tensors) =>
    tensors.length === 0 ? 0 : await globalNorm(tensors).item(),
  );
  const [own, others] = (await Promise.all(norms)) as [number, number];
  const all = new Float32Array(communicator.size);
  await communicator.allGather(Float32Array.of(own), all);
  return full(decoder.device, [], Math.hypot(others, ...all));
}

/** Numbers of a parameter, or of what is as large, that each rank holds. */
function partsOf({ shape }: ModelParameter, size: number): number[] {
  const [experts = 0, ...matrix] = shape;
  return Array.from({ length: size }, (_, rank) => {
    const [first, end] = expertsOfRank(experts, { rank, size });
    return (end - first) * sizeOf(matrix);
  });
}

/** Rank 0 gets a whole tensor from what each rank holds of it; the others get nothing. All ranks call it. */
export async function collect(channel: Channel, parameter: ModelParameter, own: Float32Array): Promise<Float32Array> {
  const { rank, size } = channel;
  const parts = partsOf(parameter, size);
  const whole = new Float32Array(rank === 0 ? sizeOf(parameter.shape) : 0);
  const none = parts.map(() => 0);
  await channel.allToAllV(own, none.with(0, own.length), whole, rank === 0 ? parts : none);
  return whole;
}

/** Each rank gets what it holds of a tensor that rank 0 gives whole. All ranks call it. */
export async function spread(
  channel: Channel,
  parameter: ModelParameter,
  whole: Float32Array | null,
): Promise<Float32Array> {
  const { rank, size } = channel;
  const parts = partsOf(parameter, size);
  const own = new Float32Array(parts[rank]!);
  const none = parts.map(() => 0);
  await channel.allToAllV(whole ?? new Float32Array(0), whole === null ? none : parts, own, none.with(0, own.length));
  return own;
}
