/**
 * A peer in a process of its own, since engines disturb each other: one defines a global `Worker`, by which another
 * decides how to compile its kernels.
 */
import { type ChildProcess, fork } from 'node:child_process';
import type { Input, Peer, PreparedWork, Work } from './work.ts';

export type Request =
  | { readonly kind: 'open'; readonly name: string }
  | { readonly kind: 'prepare'; readonly work: Work; readonly inputs: readonly Input[] }
  | { readonly kind: 'run'; readonly times: number }
  | { readonly kind: 'result' };
export type Reply = { readonly result: Float32Array | null } | { readonly error: string };

/** Sends requests one at a time; the end of the process answers all that come. */
function client(child: ChildProcess): (request: Request) => Promise<Float32Array | null> {
  let answer: (reply: Reply) => void = () => {};
  let ended: Reply | undefined;
  child.on('message', (reply: Reply) => answer(reply));
  child.on('exit', (code) => {
    ended = { error: `its process ended with ${code}` };
    answer(ended);
  });
  return async (request) => {
    const reply = await new Promise<Reply>((resolve) => {
      answer = resolve;
      if (ended) resolve(ended);
      else child.send(request);
    });
    if ('error' in reply) throw new Error(reply.error);
    return reply.result;
  };
}

/**
 * Starts the peer of this name (see peers/index.ts); close ends its process. Only its last prepared work can be run.
 */
export async function openRemotePeer(name: string): Promise<Peer & { readonly close: () => void }> {
  const child = fork(new URL('./peer-process.ts', import.meta.url), {
    execArgv: ['--import', import.meta.resolve('tsx')],
    serialization: 'advanced',
  });
  const ask = client(child);
  const close = (): void => {
    child.kill();
  };
  try {
    await ask({ kind: 'open', name });
  } catch (error) {
    close();
    throw error;
  }
  return {
    close,
    async prepare(work, inputs): Promise<PreparedWork> {
      await ask({ kind: 'prepare', work, inputs });
      return {
        async run(times) {
          await ask({ kind: 'run', times });
        },
        async result() {
          const result = await ask({ kind: 'result' });
          if (!result) throw new Error('no result came back');
          return result;
        },
      };
    },
  };
}
