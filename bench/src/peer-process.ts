/** The process in which one peer runs: answers the requests of remote.ts, one at a time. */
import { peers } from './peers/index.ts';
import type { Reply, Request } from './remote.ts';
import type { Peer, PreparedWork } from './work.ts';

let peer: Peer | undefined;
let prepared: PreparedWork | undefined;

async function answer(request: Request): Promise<Float32Array | null> {
  if (request.kind === 'result') return await prepared!.result();
  if (request.kind === 'open') peer = await peers[request.name]!();
  else if (request.kind === 'prepare') prepared = await peer!.prepare(request.work, request.inputs);
  else await prepared!.run(request.times);
  return null;
}

process.on('message', (request: Request) => {
  const send = (reply: Reply): void => void process.send!(reply);
  answer(request).then(
    (result) => send({ result }),
    (error: unknown) => send({ error: error instanceof Error ? error.message : String(error) }),
  );
});
