/** Gradients added up over ranks by the MPI library, in an order of its own. */
import type { Communicator } from '@lpr/mpi';
import type { Decoder } from '@lpr/model';
import { hostNumbers, keep, receiveInto, reshape, scope, slice, type Tensor } from '@lpr/tensor';
import { joined } from '../micro-batches.ts';
import { heldExperts } from './shared-experts.ts';

/**
 * Each rank has its own gradients in the parameters before, and the sums of all afterwards; those of experts that it
 * owns alone are whole already.
 */
export async function allReduceGradients(communicator: Communicator, decoder: Decoder): Promise<void> {
  const { device, parameters } = decoder;
  const held = heldExperts(decoder);
  const leaves = [...parameters.values()].filter((leaf) => leaf.grad !== null && !held.has(leaf));
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
