/**
 * The ranks that `mpirun` started this program as, of which rank 0 does what the command line says and the others
 * follow it; mostly there is this process alone.
 */
import { type Communicator, openCommunicator } from '@lpr/mpi';

let joined: Promise<Communicator> | null = null;

/** Joins the other ranks; a process joins once. */
export function joinRanks(): Promise<Communicator> {
  joined ??= openCommunicator();
  return joined;
}

/** Ends all ranks with an exit code, wherever they are; returns where there is this process alone. */
export async function endOtherRanks(code: number): Promise<void> {
  // Without a communicator each rank has failed by itself.
  const communicator = await joined?.catch(() => null);
  if (communicator && communicator.size > 1) communicator.abort(code);
}
