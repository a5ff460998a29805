/** Gradients added up over ranks by the MPI library, in an order of its own. */
import type { Communicator } from '@lpr/mpi';
import type { Decoder } from '@lpr/model';
import { assign, hostNumbers, keep, reshape, scope, slice, type Tensor } from '@lpr/tensor';
import { joined } from '../micro-batches.ts';
import { isLarge } from './messages.ts';
import { heldExperts } from './shared-experts.ts';

/**
 * Each rank has its own gradients in the parameters before, and the sums of all afterwards; those of experts that it
 * owns alone are whole already. Large ones are added up where they lie, small ones in one message.
 *
 * @param bucket as in `Team`
 */
export async function allReduceGradients(communicator: Communicator, decoder: Decoder, bucket: number): Promise<void> {
  const { device, parameters } = decoder;
  const held = heldExperts(decoder);
  const leaves = [...parameters.values()].filter((leaf) => leaf.grad !== null && !held.has(leaf));
  const users = new Map<unknown, number>();
  for (const { grad } of leaves) users.set(grad!.buffer, (users.get(grad!.buffer) ?? 0) + 1);
  // Leaves with the same gradient may share its memory.
  const isOwn = ({ size, grad }: Tensor): boolean => isLarge(size, bucket) && users.get(grad!.buffer) === 1;
  const small = leaves.filter((leaf) => !isOwn(leaf));
  const together =
    small.length === 0 ? [] : [scope(device, () => joined(small.map(({ grad }) => grad!)), { gradients: false })];
  const all = [...leaves.filter(isOwn).map(({ grad }) => grad!), ...together];
  const numbers = await Promise.all(all.map((gradients) => hostNumbers(gradients)));
  await Promise.all(numbers.map((each) => communicator.allReduce(each)));
  for (const [i, gradients] of all.entries()) {
    if (device.view(gradients.buffer) === null) assign(gradients, numbers[i]!);
    else gradients.markChanged();
  }
  let at = 0;
  for (const leaf of small) {
    const from = at;
    at += leaf.size;
    leaf.grad!.dispose();
    leaf.grad = keep(
      scope(device, () => reshape(slice(together[0]!, 0, from, from + leaf.size), leaf.shape), { gradients: false }),
    );
  }
  for (const tensor of together) tensor.dispose();
}
