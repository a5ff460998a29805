/** PyTorch on the CPU, where Python has it: torch-peer.py does the work in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { ADAM, LAYER_NORM_EPSILON, type Peer } from '../work.ts';

/** The Python that has PyTorch; `--python` of the command line sets it. */
export const PYTHON_VARIABLE = 'LPR_BENCH_PYTHON';

interface Reply {
  readonly version?: string;
  readonly fastBlas?: boolean;
  /** Of the result that follows. */
  readonly bytes?: number;
  readonly error?: string;
}

/** @throws Error when there is no PyTorch, or one whose matrix products are of the unoptimised reference library */
export async function openTorch(threads: number): Promise<Peer> {
  const python = process.env[PYTHON_VARIABLE] ?? 'python3';
  const program = fileURLToPath(new URL('./torch-peer.py', import.meta.url));
  const child = spawn(python, [program], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // Both libraries of threads read their number when they start.
    env: { ...process.env, OMP_NUM_THREADS: String(threads), OPENBLAS_NUM_THREADS: String(threads) },
  });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => {
    complaint = text.toString().trim().split('\n').at(-1)!;
  });
  const ended = once(child, 'exit').then(
    () => Promise.reject(new Error(`${python} ended: ${complaint}`)),
    (error: unknown) => Promise.reject(new Error(`${python} does not start: ${String(error)}`)),
  );
  ended.catch(() => {});
  const reader = new ByteReader(child.stdout);
  const receive = async (): Promise<Reply> => {
    const reply = JSON.parse(await Promise.race([reader.line(), ended])) as Reply;
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  };
  const ask = async (request: object, inputs: readonly Uint8Array[] = []): Promise<Reply> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    for (const bytes of inputs) child.stdin.write(bytes);
    return await receive();
  };
  const { fastBlas } = await receive();
  if (fastBlas !== true) {
    child.kill();
    throw new Error('its matrix products are of the reference BLAS; install OpenBLAS (Debian: libopenblas0-openmp)');
  }
  return {
    async prepare(work, inputs) {
      const bytes = inputs.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
      const specs = inputs.map((input) => ({ bytes: input.byteLength, integer: input instanceof Int32Array }));
      const settings = { threads, adam: ADAM, epsilon: LAYER_NORM_EPSILON };
      await ask({ kind: 'prepare', work, inputs: specs, ...settings }, bytes);
      return {
        async run(times) {
          await ask({ kind: 'run', times });
        },
        async result() {
          const { bytes: size = 0 } = await ask({ kind: 'result' });
          // A copy, since small pieces lie in buffers that Node shares.
          return new Float32Array(Uint8Array.from(await Promise.race([reader.bytes(size), ended])).buffer);
        },
      };
    },
  };
}

/** Reads lines and counted bytes, in turns, from one stream. */
class ByteReader {
  #held: Buffer = Buffer.alloc(0);
  readonly #chunks: AsyncIterator<Buffer>;

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async line(): Promise<string> {
    while (!this.#held.includes('\n')) await this.#more();
    const line = await this.bytes(this.#held.indexOf('\n') + 1);
    return Buffer.from(line).toString();
  }

  async bytes(count: number): Promise<Uint8Array> {
    while (this.#held.length < count) await this.#more();
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#chunks.next();
    // What the end means, the process's exit says.
    if (done === true) return await new Promise(() => {});
    this.#held = Buffer.concat([this.#held, value]);
  }
}
