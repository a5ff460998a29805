import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors, SafetensorsError, safetensorsMetadata } from '../src/index.ts';

/** A file with the given header text and data. */
function file(header: string, data: Uint8Array = new Uint8Array()): Uint8Array {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
const tensorOf = shape.chain((extents) => {
  const length = extents.reduce((a, b) => a * b, 1);
  const exactly = { minLength: length, maxLength: length };
  return fc
    .oneof(fc.float32Array(exactly), fc.int32Array(exactly), fc.bigInt64Array(exactly))
    .map((data) => ({ shape: extents, data }));
});
const names = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('__proto__', 'constructor', 'a.b', 'ü'));

describe('safetensors', () => {
  it('writes the bytes of the specification', () => {
    const bytes = encodeSafetensors(new Map([['a', { shape: [2], data: Float32Array.of(1, -2) }]]), {});
    const header = '{"__metadata__":{},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
    expect(Buffer.from(bytes.subarray(8, -8)).toString()).toBe(header);
    expect(Array.from(bytes.subarray(0, 8))).toEqual([header.length, 0, 0, 0, 0, 0, 0, 0]);
    expect(Array.from(bytes.subarray(-8))).toEqual([0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
  });

  it('reads back exactly what was written, also NaN bits, odd names and from an unaligned view', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(names, tensorOf), { selector: ([name]) => name, maxLength: 6 }),
        fc.dictionary(fc.string(), fc.string()),
        fc.nat({ max: 7 }),
        (entries, metadata, shift) => {
          const given = new Map(entries.filter(([name]) => name !== '__metadata__'));
          const encoded = encodeSafetensors(given, metadata);
          const shifted = new Uint8Array(encoded.length + shift);
          shifted.set(encoded, shift);
          const bytes = shifted.subarray(shift);
          const decoded = decodeSafetensors(bytes);
          expect(new Set(decoded.keys())).toEqual(new Set(given.keys()));
          for (const [name, { shape: extents, data }] of given) {
            const got = decoded.get(name)!;
            expect(got.shape).toEqual(extents);
            expect(got.data.constructor).toBe(data.constructor);
            expect(new Uint8Array(got.data.buffer)).toEqual(
              new Uint8Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)),
            );
          }
          expect({ ...safetensorsMetadata(bytes) }).toEqual({ ...JSON.parse(JSON.stringify(metadata)) });
        },
      ),
    );
  });

  it('aligns all data to the size of their type', () => {
    const bytes = encodeSafetensors(
      new Map([
        ['small', { shape: [1], data: Float32Array.of(1) }],
        ['large', { shape: [1], data: BigInt64Array.of(2n) }],
      ]),
    );
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
    expect(Array.from(bytes.subarray(-12))).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f]);
  });

  it('widens half and bfloat16 numbers', () => {
    const header = JSON.stringify({
      half: { dtype: 'F16', shape: [7], data_offsets: [0, 14] },
      brain: { dtype: 'BF16', shape: [3], data_offsets: [14, 20] },
    });
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x7c00, 0x3555);
    const brains = Uint16Array.of(0x3f80, 0xc0a0, 0x7f80);
    const data = new Uint8Array([...new Uint8Array(halves.buffer), ...new Uint8Array(brains.buffer)]);
    const decoded = decodeSafetensors(file(header, data));
    const expected = [1, -2, 65504, 2 ** -24, -0, Infinity, 0.333251953125];
    expect(Array.from(decoded.get('half')!.data as Float32Array)).toEqual(expected);
    expect(Array.from(decoded.get('brain')!.data as Float32Array)).toEqual([1, -5, Infinity]);
  });

  const entry = (fields: object): string =>
    JSON.stringify({ a: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...fields } });
  it.each([
    ['too short', new Uint8Array(7), 'at least 8 bytes, got 7'],
    ['header beyond the file', file('{}').subarray(0, 9), 'the header is said to have 2 bytes, of 1'],
    ['huge header length', new Uint8Array(16).fill(0xff), 'the header is said to have 18446744073709551615'],
    ['not JSON', file('{"a":'), 'the header is not JSON'],
    ['not UTF-8', new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0xff]), 'not JSON'],
    ['an array', file('[]'), 'must be a JSON object'],
    ['an entry that is no object', file('{"a":3}'), 'the entry of a must be an object'],
    [
      'unknown type',
      file(entry({ dtype: 'F8' }), new Uint8Array(4)),
      'a has element type "F8"; expected one of F64, F32',
    ],
    ['inherited type', file(entry({ dtype: 'toString' }), new Uint8Array(4)), 'element type "toString"'],
    ['negative extent', file(entry({ shape: [-1] }), new Uint8Array(4)), 'a has no proper shape'],
    ['overflowing shape', file(entry({ shape: [2 ** 40, 2 ** 40] }), new Uint8Array(4)), 'an impossible shape'],
    ['reversed offsets', file(entry({ data_offsets: [4, 0] }), new Uint8Array(4)), 'with begin <= end'],
    [
      'offsets of another size',
      file(entry({ data_offsets: [0, 8] }), new Uint8Array(8)),
      'needs 4 bytes, its offsets span 8',
    ],
    ['a gap', file(entry({ data_offsets: [4, 8] }), new Uint8Array(8)), 'begin at 4, expected 0'],
    [
      'an overlap',
      file(
        JSON.stringify({
          a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] },
          b: { dtype: 'F32', shape: [1], data_offsets: [4, 8] },
        }),
        new Uint8Array(8),
      ),
      'data of b begin at 4, expected 8: tensors may neither overlap nor leave gaps',
    ],
    ['a cut file', file(entry({}), new Uint8Array(3)), 'tensors fill 4 bytes, the file holds 3'],
    ['trailing bytes', file(entry({}), new Uint8Array(5)), 'tensors fill 4 bytes, the file holds 5'],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(SafetensorsError);
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  it('survives damage: any change to a file is read or refused, never anything else', () => {
    const valid = encodeSafetensors(
      new Map([
        ['x', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
        ['y', { shape: [], data: BigInt64Array.of(7n) }],
      ]),
    );
    const readOrRefused = (bytes: Uint8Array): void => {
      try {
        decodeSafetensors(bytes);
        safetensorsMetadata(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(SafetensorsError);
      }
    };
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: valid.length - 1 }), fc.nat({ max: 255 })), { maxLength: 5 }),
        (edits) => {
          const bytes = valid.slice();
          for (const [at, value] of edits) bytes[at] = value;
          readOrRefused(bytes);
        },
      ),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), readOrRefused), { numRuns: 300 });
    fc.assert(
      fc.property(fc.json(), fc.uint8Array({ maxLength: 16 }), (json, data) => readOrRefused(file(json, data))),
      { numRuns: 300 },
    );
  });

  it('reads a header of well-formed lies only where it is true after all', () => {
    const number = fc.oneof(fc.nat({ max: 12 }), fc.constantFrom(2 ** 31, 2 ** 53 - 1, 2 ** 53, 1e300, -1, 0.5));
    const lie = fc.record({
      dtype: fc.constantFrom('F32', 'I32', 'I64', 'F16', 'BF16', 'F64'),
      shape: fc.array(number, { maxLength: 3 }),
      data_offsets: fc.array(number, { minLength: 2, maxLength: 2 }),
    });
    const bytesOf: Readonly<Record<string, number>> = { F32: 4, I32: 4, I64: 8, F16: 2, BF16: 2 };
    fc.assert(
      fc.property(fc.dictionary(fc.string(), lie, { maxKeys: 3 }), fc.nat({ max: 24 }), (entries, size) => {
        let tensors: ReturnType<typeof decodeSafetensors>;
        try {
          tensors = decodeSafetensors(file(JSON.stringify(entries), new Uint8Array(size)));
        } catch (error) {
          expect(error).toBeInstanceOf(SafetensorsError);
          return;
        }
        const held = [...tensors].map(([name, { shape: extents, data }]) => {
          expect(extents).toEqual(entries[name]!.shape);
          expect(data.length).toBe(extents.reduce((a, b) => a * b, 1));
          return data.length * bytesOf[entries[name]!.dtype]!;
        });
        expect(held.reduce((a, b) => a + b, 0)).toBe(size);
      }),
      { numRuns: 500 },
    );
  });

  it('refuses to write a shape that does not fit', () => {
    expect(() => encodeSafetensors(new Map([['a', { shape: [3], data: Float32Array.of(1) }]]))).toThrow(
      'a of shape [3] holds 3 elements, got 1',
    );
  });
});
