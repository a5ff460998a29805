/** Small tensors of every micro-batch, from the rank that computed them to all ranks. */
import type { Communicator } from '@lpr/mpi';
import { type Tensor, tensor } from '@lpr/tensor';
import { joined } from '../micro-batches.ts';

/** All elements of the tensors of each of this rank's micro-batches, as the device computes them next. */
export async function readTensors(own: readonly (readonly Tensor[])[]): Promise<Int32Array[]> {
  return await Promise.all(own.map(wordsOf));
}

/**
 * @param like those of a micro-batch; every one of the step has tensors of the same shapes and types
 * @param own what was read of each micro-batch of this rank
 * @returns of all micro-batches in their order, of which i is rank `i mod size`'s
 */
export async function gatherTensors(
  communicator: Communicator,
  like: readonly Tensor[],
  own: readonly Int32Array[],
): Promise<Tensor[][]> {
  const words = like.reduce((sum, { size }) => sum + size, 0);
  const sent = new Int32Array(words * own.length);
  own.forEach((each, i) => sent.set(each, i * words));
  const received = new Int32Array(sent.length * communicator.size);
  await communicator.allGather(sent, received);
  return Array.from({ length: own.length * communicator.size }, (_, place) => {
    const [rank, number] = [place % communicator.size, Math.floor(place / communicator.size)];
    const from = (rank * own.length + number) * words;
    return tensorsFrom(like, received.subarray(from, from + words));
  });
}

/** All elements, those of f32 as they lie in memory; first of all f32, then of all i32. */
async function wordsOf(tensors: readonly Tensor[]): Promise<Int32Array> {
  const data = await Promise.all(
    byType(tensors)
      .filter((group) => group.length > 0)
      .map((group) => joined(group).data()),
  );
  const parts = data.map(({ buffer, length }) => new Int32Array(buffer, 0, length));
  const words = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    words.set(part, at);
    at += part.length;
  }
  return words;
}

function tensorsFrom(like: readonly Tensor[], words: Int32Array): Tensor[] {
  const made = new Map<Tensor, Tensor>();
  let at = 0;
  for (const each of byType(like).flat()) {
    const part = words.subarray(at, at + each.size);
    at += each.size;
    const values = each.dtype === 'i32' ? part : new Float32Array(part.buffer, part.byteOffset, part.length);
    made.set(each, tensor(each.device, values, each.shape));
  }
  return like.map((each) => made.get(each)!);
}

function byType(tensors: readonly Tensor[]): [Tensor[], Tensor[]] {
  return [tensors.filter(({ dtype }) => dtype === 'f32'), tensors.filter(({ dtype }) => dtype === 'i32')];
}
