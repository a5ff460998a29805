import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTrace, encodeTrace, replayTrace, type TracedBatch, TraceRecorder } from '../src/index.ts';
import { checkTrace } from '../src/traces.ts';
import { someTrace } from './traces.ts';

function batchOf(domain: string, tokenIds: readonly number[], ...layers: (readonly number[])[]): TracedBatch {
  return { domain, tokenIds, layers: layers.map((experts) => ({ experts, weights: experts.map((e) => (e + 1) / 8) })) };
}

describe('recorder', () => {
  test('lines batches up by layer, up to its limit', () => {
    const recorder = new TraceRecorder({ experts: 4, limit: 3 });
    recorder.add(batchOf('web', [10, 11], [0, 1, 2, 3], [3, 2, 1, 0]));
    expect([recorder.tokens, recorder.full]).toEqual([2, false]);
    recorder.add(batchOf('code', [12, 13], [1, 3, 0, 2], [2, 0, 3, 1]));
    expect([recorder.tokens, recorder.full]).toEqual([3, true]);
    recorder.add(batchOf('law', [14], [0, 1], [0, 1]));
    const trace = recorder.trace();
    expect(trace).toMatchObject({ layers: 2, experts: 4, slots: 2, tokens: 3, domains: ['web', 'code'] });
    expect([...trace.tokenIds]).toEqual([10, 11, 12]);
    expect([...trace.domainOf]).toEqual([0, 0, 1]);
    expect([...trace.chosen]).toEqual([0, 1, 2, 3, 1, 3, 3, 2, 1, 0, 2, 0]);
    expect([...trace.weights]).toEqual([...trace.chosen].map((expert) => (expert + 1) / 8));
  });

  test('a trace that is replayed and recorded again is the same, whatever the size of the batches', () => {
    fc.assert(
      fc.property(someTrace, fc.integer({ min: 1, max: 9 }), (trace, size) => {
        const recorder = new TraceRecorder({ experts: trace.experts, limit: trace.tokens });
        for (const batch of replayTrace(trace, size)) {
          expect(batch.tokenIds.length).toBeLessThanOrEqual(size);
          recorder.add(batch);
        }
        const again = recorder.trace();
        // Domains are numbered in the order in which they appear.
        const names = (t: typeof trace): string[] => [...t.domainOf].map((domain) => t.domains[domain]!);
        expect(names(again)).toEqual(names(trace));
        const { domains: _, domainOf: __, ...rest } = trace;
        expect(again).toMatchObject(rest);
      }),
    );
  });

  test('refuses batches that do not belong together', () => {
    const recorder = new TraceRecorder({ experts: 4, limit: 9 });
    expect(() => recorder.trace()).toThrow('no tokens yet');
    expect(() => recorder.add(batchOf('a', [1, 2], [0, 1, 2]))).toThrow('layers[0].experts has 3 entries');
    recorder.add(batchOf('a', [1], [0, 1]));
    expect(() => recorder.add(batchOf('a', [1], [0, 1], [0, 1]))).toThrow('choices of 2 layers; the trace has 1');
    expect(() => recorder.add(batchOf('a', [1], [0]))).toThrow('1 tokens with 2 slots each need 2');
    recorder.add(batchOf('a', [1], [3, 3]));
    expect(() => recorder.trace()).toThrow('token 1 has in layer 0 expert 3 twice');
    expect(() => new TraceRecorder({ experts: 2 ** 16, limit: 1 })).toThrow('experts is 65536');
    const empty = new TraceRecorder({ experts: 4, limit: 3 });
    empty.add({ domain: 'a', tokenIds: [], layers: [] });
    expect(() => empty.add({ domain: 'a', tokenIds: [1], layers: [] })).toThrow('at least one layer, got none');
    expect(() => new TraceRecorder({ experts: 4, limit: 0 })).toThrow('limit is 0');
  });
});

describe('file', () => {
  test('gives back exactly what was written', () => {
    fc.assert(
      fc.property(someTrace, (trace) => {
        expect(decodeTrace(encodeTrace(trace))).toEqual(trace);
      }),
    );
  });

  test('has the documented bytes', () => {
    const recorder = new TraceRecorder({ experts: 4, limit: 3 });
    recorder.add({ domain: 'a', tokenIds: [258], layers: [{ experts: [3, 4], weights: [1, 0] }] });
    const bytes = encodeTrace(recorder.trace());
    const header = [1, 1, 4, 2, 1, 5].flatMap((value) => [value, 0, 0, 0]);
    const names = [...new TextEncoder().encode('["a"]')];
    expect([...bytes]).toEqual([
      ...new TextEncoder().encode('LPRTRACE'), ...header, ...names, 2, 1, 0, 0, 0, 0, 3, 4, 0, 0, 128, 63, 0, 0, 0, 0,
    ]); // biome-ignore format: bytes
  });

  test('takes one byte a choice as long as M fits', () => {
    const bytesFor = (experts: number): number => {
      const recorder = new TraceRecorder({ experts, limit: 1 });
      recorder.add({ domain: '', tokenIds: [0], layers: [{ experts: [experts], weights: [0] }] });
      const trace = recorder.trace();
      expect(decodeTrace(encodeTrace(trace))).toEqual(trace);
      return encodeTrace(trace).length;
    };
    expect(bytesFor(256) - bytesFor(255)).toBe(1);
  });

  test('damaged bytes are refused, and never read as another shape', () => {
    fc.assert(
      fc.property(someTrace, fc.nat(), fc.integer({ min: 0, max: 255 }), (trace, position, value) => {
        const bytes = encodeTrace(trace);
        expect(() => decodeTrace(bytes.subarray(0, position % bytes.length))).toThrow(Error);
        const damaged = bytes.slice();
        damaged[position % 32] = value;
        try {
          const { tokens, layers, slots } = decodeTrace(damaged);
          expect([tokens, layers * slots]).toEqual([trace.tokens, trace.layers * trace.slots]);
        } catch (error) {
          expect((error as Error).message).toMatch(/trace|domains/);
        }
      }),
    );
    const huge = encodeTrace(fc.sample(someTrace, { numRuns: 1, seed: 1 })[0]!);
    huge.fill(255, 12, 32);
    expect(() => decodeTrace(huge)).toThrow('the file is damaged');
    expect(() => decodeTrace(new Uint8Array(40))).toThrow('not a routing trace');
  });

  test('a file that is cut off in its header, or of another version, is refused', () => {
    const [trace] = fc.sample(someTrace, { numRuns: 1, seed: 3 });
    const bytes = encodeTrace(trace!);
    expect(() => decodeTrace(bytes.subarray(0, 31))).toThrow('not a routing trace');
    bytes[8] = 7;
    expect(() => decodeTrace(bytes)).toThrow('version 7');
  });

  test('domains that are no list of names are refused, with how they begin', () => {
    const recorder = new TraceRecorder({ experts: 4, limit: 1 });
    recorder.add({ domain: 'a'.repeat(100), tokenIds: [1], layers: [{ experts: [3], weights: [1] }] });
    const bytes = encodeTrace(recorder.trace());
    for (const text of ['{}', '[1]', '["a",1]', '"a"', 'null']) {
      // The list begins behind the header of 32 bytes.
      const padded = bytes.slice();
      padded.set(new TextEncoder().encode(text.padEnd(104)), 32);
      expect(() => decodeTrace(padded)).toThrow(`must be a JSON array of strings, got ${text}`);
    }
    bytes[32] = 'x'.charCodeAt(0);
    expect(() => decodeTrace(bytes)).toThrow(/must be a JSON array of strings, got x"a{78}; the file is damaged$/);
  });

  test('what is no trace is not written', () => {
    const [trace] = fc.sample(someTrace, { numRuns: 1, seed: 2 });
    expect(() => encodeTrace({ ...trace!, layers: 0 })).toThrow('trace: layers is 0');
    expect(() => encodeTrace({ ...trace!, weights: new Float32Array(0) })).toThrow('trace: weights has 0 entries');
    expect(() => checkTrace({ ...trace!, domains: [] })).toThrow('there are 0 domains');
    const after = trace!.domainOf.map(() => trace!.domains.length);
    expect(() => checkTrace({ ...trace!, domainOf: after })).toThrow(`domainOf[0] is ${trace!.domains.length}`);
    expect(() => checkTrace({ ...trace!, domains: ['a', 'a'] })).toThrow('must be distinct, got a, a');
    expect(() => checkTrace({ ...trace!, weights: trace!.weights.map(() => Number.NaN) })).toThrow('weight NaN');
    expect(() => checkTrace({ ...trace!, chosen: trace!.chosen.map(() => 65535) })).toThrow('expert 65535');
    const empty = trace!.chosen.map(() => trace!.experts);
    expect(() => checkTrace({ ...trace!, chosen: empty, weights: trace!.weights.map(() => 1) })).toThrow(
      'weight 1 in an empty slot',
    );
  });
});
