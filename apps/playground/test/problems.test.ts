/** Words for what goes wrong. */
import { describe, expect, it } from 'vitest';
import { type Browser, inWords, missingIn } from '../src/problems.ts';
import { RemoteError } from '../src/remote-training.ts';
import { DEFAULT_STATE } from '../src/settings.ts';

const { settings } = DEFAULT_STATE;

describe('problems', () => {
  it('are none in a browser that has all', () => {
    const Worker = (): void => {};
    const { WebAssembly } = globalThis as unknown as Required<Browser>;
    // Node's own: what is asked for is a module that hosts with SIMD take.
    expect(missingIn({ WebAssembly, Worker })).toBeNull();
    expect(missingIn({ Worker })).toMatch(/no WebAssembly.*Chrome/);
    expect(missingIn({ WebAssembly: { validate: () => false }, Worker })).toMatch(/no SIMD.*Safari/);
    expect(missingIn({ WebAssembly })).toMatch(/no workers/);
  });

  it.each([
    [new RemoteError('TextError', 'This text is short.'), settings, /^This text is short\.$/],
    [new RemoteError('DivergedError', 'training diverged'), settings, /ran away.*below 0\.01/],
    [new RemoteError('WorkerError', 'not loaded'), settings, /worker.*not loaded\. Reload/],
    [new RemoteError('Error', 'lost'), { ...settings, device: 'gpu' as const }, /GPU.*: lost\. Choose the CPU/],
    [
      new RemoteError('Error', 'createGpuDevice: no GPU to run on (npm install ...)'),
      { ...settings, device: 'gpu' as const },
      /^The GPU cannot be used here: this browser offers none to pages\. Choose the CPU instead\.$/,
    ],
    [new RemoteError('RangeError', 'out of memory.'), settings, /not enough memory.*fewer experts/],
    [new TypeError('x is undefined.'), settings, /went wrong: x is undefined\. Reset/],
    ['a string.', settings, /a string\./],
  ])('say what to do: %s', (error, of, expected) => {
    expect(inWords(error, of)).toMatch(expected);
  });
});
