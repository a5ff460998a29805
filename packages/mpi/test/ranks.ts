/** One of several ranks, started by `mpirun`: tries every call of the communicator and prints what it is. */
import { broadcastText, openCommunicator } from '../src/index.ts';
import { tryAllCalls } from './calls.ts';

const communicator = await openCommunicator();
// The event loop must stay alive while ranks wait for each other.
let ticks = 0;
const timer = setInterval(() => ticks++, 5);
if (communicator.rank === 1) await new Promise((resolve) => setTimeout(resolve, 100));
await communicator.barrier();
clearInterval(timer);
await tryAllCalls(communicator);
const { rank, size, local, description } = communicator;
const text = await broadcastText(communicator, `from rank ${rank}`);
if (process.argv[2] === 'abort') {
  if (rank === 1) communicator.abort(7);
  await communicator.barrier();
}
process.stdout.write(`${JSON.stringify({ rank, size, local, description, text, waited: ticks > 0 })}\n`);
communicator.finalize();
