import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeLoads,
  encodeLoadHeader,
  encodeLoadWindow,
  LoadRecorder,
  type LoadShape,
  loadsUntilStep,
  MAX_STEP,
} from '../src/index.ts';

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => Array.from(part)));
}

/** A shape and windows of it, steps ascending. */
const someFile = fc
  .record({
    layers: fc.integer({ min: 1, max: 4 }),
    experts: fc.integer({ min: 1, max: 9 }),
    topK: fc.integer({ min: 1, max: 8 }),
  })
  .chain((shape: LoadShape) => {
    const counts = fc.array(
      fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: shape.experts, maxLength: shape.experts }),
      { minLength: shape.layers, maxLength: shape.layers },
    );
    const window = fc.record({ gap: fc.integer({ min: 1, max: 1000 }), tokens: fc.maxSafeNat(), counts });
    return fc.array(window, { maxLength: 5 }).map((gaps) => {
      let step = -1;
      const windows = gaps.map(({ gap, tokens, counts }) => ({ step: (step += gap), tokens, counts }));
      return { shape, windows };
    });
  });

describe('recorder', () => {
  test('adds up exactly what it is given, per layer, until it is reset', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 2 }), fc.array(fc.nat(), { minLength: 4, maxLength: 4 })), { maxLength: 30 }),
        (additions) => {
          const recorder = new LoadRecorder({ layers: 3, experts: 4 });
          for (const [layer, counts] of additions) recorder.add(layer, Int32Array.from(counts));
          const expected = [0, 1, 2].map((layer) =>
            [0, 1, 2, 3].map((expert) =>
              additions.filter(([at]) => at === layer).reduce((sum, [, counts]) => sum + counts[expert]!, 0),
            ),
          );
          expect(recorder.window().map((counts) => Array.from(counts))).toEqual(expected);
          recorder.reset();
          expect(recorder.window().every((counts) => counts.every((count) => count === 0))).toBe(true);
        },
      ),
    );
  });

  test('a window is a copy', () => {
    const recorder = new LoadRecorder({ layers: 1, experts: 2 });
    recorder.add(0, [1, 2]);
    const window = recorder.window();
    window[0]![0] = 99;
    recorder.add(0, [1, 0]);
    expect(Array.from(window[0]!)).toEqual([99, 2]);
    expect(Array.from(recorder.window()[0]!)).toEqual([2, 2]);
  });

  test('what does not fit is refused by name', () => {
    const recorder = new LoadRecorder({ layers: 2, experts: 3 });
    expect(() => recorder.add(2, [1, 1, 1])).toThrow('layer is 2; this recorder has layers 0 to 1');
    expect(() => recorder.add(1, [1, 1])).toThrow('counts of layer 1 has 2 entries; there are 3 experts');
    expect(() => recorder.add(1, [1, 0.5, 1])).toThrow('expert 1 has 0.5');
    expect(() => recorder.add(1, [1, -1, 1])).toThrow('counts of layer 1[1] is -1');
    expect(() => new LoadRecorder({ layers: 0, experts: 3 })).toThrow('layers is 0');
  });
});

describe('file', () => {
  test('reads back exactly what was written', () => {
    fc.assert(
      fc.property(someFile, ({ shape, windows }) => {
        const bytes = concat([encodeLoadHeader(shape), ...windows.map((window) => encodeLoadWindow(shape, window))]);
        const read = decodeLoads(bytes);
        expect(read.shape).toEqual(shape);
        expect(read.truncatedBytes).toBe(0);
        expect(
          read.windows.map((window) => ({ ...window, counts: window.counts.map((counts) => Array.from(counts)) })),
        ).toEqual(windows);
      }),
    );
  });

  test('the layout is the documented one', () => {
    const shape = { layers: 1, experts: 2, topK: 1 };
    const bytes = concat([
      encodeLoadHeader(shape),
      encodeLoadWindow(shape, { step: 5, tokens: 2 ** 32 + 7, counts: [[3, 2 ** 32 - 1]] }),
    ]);
    expect(Buffer.from(bytes).toString('hex')).toBe(
      ['4c50524c4f414453', '01000000', '01000000', '02000000', '01000000'].join('') +
        ['0500000000000000', '0700000001000000', '03000000', 'ffffffff'].join(''),
    );
  });

  test('cut off anywhere, the whole records before the cut are read', () => {
    fc.assert(
      fc.property(someFile, fc.double({ min: 0, max: 1, noNaN: true }), ({ shape, windows }, share) => {
        const bytes = concat([encodeLoadHeader(shape), ...windows.map((window) => encodeLoadWindow(shape, window))]);
        const cut = 24 + Math.floor(share * (bytes.length - 24));
        const record = 16 + 4 * shape.layers * shape.experts;
        const read = decodeLoads(bytes.subarray(0, cut));
        expect(read.windows).toHaveLength(Math.floor((cut - 24) / record));
        expect(read.truncatedBytes).toBe((cut - 24) % record);
      }),
    );
  });

  test('a resumed run keeps the records up to its checkpoint and goes on from there', () => {
    const shape = { layers: 2, experts: 3, topK: 1 };
    const window = (step: number) => ({ step, tokens: 10, counts: [Array(3).fill(step), Array(3).fill(step)] });
    const killed = concat([
      encodeLoadHeader(shape),
      ...[10, 20, 30].map((step) => encodeLoadWindow(shape, window(step))),
      new Uint8Array(7),
    ]);
    expect(loadsUntilStep(killed, 20)).toEqual(loadsUntilStep(killed, 25));
    const resumed = concat([loadsUntilStep(killed, 25), encodeLoadWindow(shape, window(30))]);
    expect(decodeLoads(resumed).windows.map(({ step }) => step)).toEqual([10, 20, 30]);
    expect(decodeLoads(resumed).truncatedBytes).toBe(0);
  });

  test('damage and misuse are named', () => {
    const shape = { layers: 1, experts: 2, topK: 1 };
    const header = encodeLoadHeader(shape);
    const record = encodeLoadWindow(shape, { step: 5, tokens: 1, counts: [[1, 0]] });
    expect(() => decodeLoads(new Uint8Array(3))).toThrow('not a file of expert loads');
    expect(() => decodeLoads(header.subarray(0, 23))).toThrow('must start with a header of 24 bytes');
    expect(() => decodeLoads(new TextEncoder().encode('{"step": 1, "tokens": 12345}'))).toThrow('LPRLOADS');
    expect(() => decodeLoads(concat([header, record, record]))).toThrow(
      'record 1 of the loads has step 5 after step 5',
    );
    const last = encodeLoadWindow(shape, { step: MAX_STEP, tokens: 1, counts: [[1, 0]] });
    const beyond = encodeLoadWindow(shape, { step: MAX_STEP + 1, tokens: 1, counts: [[1, 0]] });
    expect(decodeLoads(concat([header, record, last])).windows.map(({ step }) => step)).toEqual([5, 1e12]);
    expect(() => decodeLoads(concat([header, record, beyond]))).toThrow(
      'record 1 of the loads has step 1000000000001, beyond the most, 1000000000000; the file is damaged',
    );
    const other = header.slice();
    other[8] = 9;
    expect(() => decodeLoads(other)).toThrow('format version 9');
    expect(() => encodeLoadWindow(shape, { step: 1, tokens: 1, counts: [] })).toThrow(
      'counts of 0 layers; the file has 1',
    );
    expect(() => encodeLoadWindow(shape, { step: 1, tokens: 1, counts: [[2 ** 32, 0]] })).toThrow('record more often');
    expect(() => encodeLoadHeader({ ...shape, experts: 0 })).toThrow('experts is 0');
  });
});
