/** Gradients added up over ranks by the MPI library, in an order of its own. */
import type { Communicator } from '@lpr/mpi';
import type { Decoder } from '@lpr/model';
import { keep, reshape, scope, slice, type Tensor } from '@lpr/tensor';
import { joined } from '../micro-batches.ts';
import { hostNumbers, receiveInto } from './memory.ts';

/** Each rank has its own gradients in the parameters before, and the sums of all afterwards. */
export async function allReduceGradients(communicator: Communicator, { device, parameters }: Decoder): Promise<void> {
  const leaves = [...parameters.values()].filter(({ grad }) => grad !== null);
  const all = scope(device, () => joined(leaves.map(({ grad }) => grad!)), { gradients: false });
  const numbers = await hostNumbers(all);
  await receiveInto(all, async (received) => {
    if (received !== numbers && received.buffer !== numbers.buffer) received.set(numbers);
    await communicator.allReduce(received);
  });
  let at = 0;
  for (const leaf of leaves) {
    leaf.grad!.dispose();
    leaf.grad = part(all, at, leaf);
    at += leaf.size;
  }
  all.dispose();
}

function part(all: Tensor, at: number, { device, shape, size }: Tensor): Tensor {
  return keep(scope(device, () => reshape(slice(all, 0, at, at + size), shape), { gradients: false }));
}
