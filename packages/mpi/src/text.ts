/** Text from one rank to all. */
import type { Communicator } from './communicator.ts';

/** Gives all ranks the text that rank 0 calls with; what others call with is not read. */
export async function broadcastText(communicator: Communicator, text: string): Promise<string> {
  const own = new TextEncoder().encode(text);
  const length = Int32Array.of(own.length);
  await communicator.broadcast(length, 0);
  const bytes = communicator.rank === 0 ? own : new Uint8Array(length[0]!);
  await communicator.broadcast(bytes, 0);
  return new TextDecoder().decode(bytes);
}
