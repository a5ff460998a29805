/** What went wrong, in words for a reader of the page. */
import { RemoteError } from './remote-training.ts';
import type { Settings } from './settings.ts';

/** A function that adds vectors: `(func (result v128) i32.const 0 i8x16.splat)`. */
const SIMD_PROBE: Uint8Array<ArrayBuffer> = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
);

/** What of a browser is looked at. */
export interface Browser {
  readonly WebAssembly?: { validate(bytes: Uint8Array<ArrayBuffer>): boolean };
  readonly Worker?: unknown;
}

/** Why nothing can train in a browser; null where it can. */
export function missingIn({ WebAssembly, Worker }: Browser): string | null {
  const newer = 'Chrome or Edge from 91, Firefox from 114 and Safari from 16.4 on have it.';
  if (WebAssembly === undefined) return `This browser has no WebAssembly, which the models are computed with. ${newer}`;
  if (!WebAssembly.validate(SIMD_PROBE)) {
    return `This browser has no SIMD in WebAssembly, which the models are computed with. ${newer}`;
  }
  if (Worker === undefined) return `This browser has no workers, in which the models train. ${newer}`;
  return null;
}

/** An error of a training, and what its reader can do. */
export function inWords(error: unknown, { device, learningRate }: Settings): string {
  const said = error instanceof Error ? error.message : String(error);
  const message = /[.!?]$/.test(said) ? said : `${said}.`;
  const kind = error instanceof RemoteError ? error.kind : '';
  if (kind === 'TextError') return message;
  if (kind === 'DivergedError') {
    return `The training ran away: its loss is no longer a number. A learning rate below ${learningRate} may help, or another seed; Reset starts anew.`;
  }
  if (kind === 'WorkerError') {
    return `A worker of this page has ended: ${message} Reload the page; if that does not help, look whether something blocks its scripts.`;
  }
  if (device === 'gpu') {
    // What the device says then is for programs in Node.
    const why = /no GPU to run on/.test(message) ? 'this browser offers none to pages.' : message;
    return `The GPU cannot be used here: ${why} Choose the CPU instead.`;
  }
  if (/memory/i.test(message)) {
    return `There is not enough memory: ${message} Take fewer experts or layers, or close other pages.`;
  }
  return `Something went wrong: ${message} Reset starts anew.`;
}
