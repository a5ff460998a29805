/** The process in which one peer runs: answers the requests of remote.ts, one at a time. */
import { type Peer, peers, type PreparedProduct } from './peers.ts';
import type { Reply, Request } from './remote.ts';

let peer: Peer | undefined;
let prepared: PreparedProduct | undefined;

async function answer(request: Request): Promise<Float32Array | null> {
  if (request.kind === 'result') return await prepared!.result();
  if (request.kind === 'open') peer = await peers[request.name]!();
  else if (request.kind === 'prepare') prepared = await peer!.prepare(request.product, request.a, request.b);
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
