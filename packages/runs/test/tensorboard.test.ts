import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { eventsUntilStep, fileVersionRecord, summaryRecord } from '../src/tensorboard/events.ts';
import { encodePng, loadPicture } from '../src/tensorboard/png.ts';
import { crc32c, frameRecord, readRecords } from '../src/tensorboard/records.ts';

/** A field of a protocol buffer as the wire has it, read without knowing what the message is. */
type Field = { readonly number: number; readonly value: number | Uint8Array };

/** Decodes any message: varints and fixed-width numbers as numbers, the rest as bytes. */
function decode(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 128) return Number(value);
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = tag >>> 3;
    const wire = tag & 7;
    if (wire === 0) fields.push({ number, value: varint() });
    else if (wire === 1) {
      fields.push({ number, value: view.getFloat64(at, true) });
      at += 8;
    } else if (wire === 5) {
      fields.push({ number, value: view.getFloat32(at, true) });
      at += 4;
    } else {
      const length = varint();
      fields.push({ number, value: bytes.slice(at, at + length) });
      at += length;
    }
  }
  return fields;
}

function field(fields: readonly Field[], number: number): number | Uint8Array | undefined {
  return fields.find((each) => each.number === number)?.value;
}

const text = (bytes: unknown): string => new TextDecoder().decode(bytes as Uint8Array);
const doubles = (bytes: unknown): number[] => [...new Float64Array((bytes as Uint8Array).buffer)];

describe('CRC-32C', () => {
  it('gives the sums of RFC 3720, section B.4, and of the check value of the polynomial', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
  });
});

describe('event files', () => {
  it('begin as those of TensorFlow do, byte by byte', () => {
    const file = fileVersionRecord(1_700_000_000);
    // 24 bytes, the masked checksum of that length, the time as a double, and the version.
    expect(Buffer.from(file.subarray(0, 12)).toString('hex')).toBe('1800000000000000a37f4b22');
    expect(Buffer.from(file.subarray(12, 36)).toString('hex')).toBe(
      `0900000040fc54d9411a0d${Buffer.from('brain.Event:2').toString('hex')}`,
    );
    expect(file.length).toBe(12 + 24 + 4);
  });

  it('take more experts than a call takes arguments', () => {
    const values = Uint32Array.from({ length: 300_000 }, (_, expert) => expert);
    expect(summaryRecord(0, 1, [{ tag: 'loads/0', values }]).length).toBeGreaterThan(400);
  });

  it('hold scalars, histograms and pictures under their tags', () => {
    const picture = loadPicture([
      [4, 0],
      [2, 2],
    ]);
    const record = summaryRecord(12.5, 300, [
      { tag: 'loss', scalar: 1.5 },
      { tag: 'loads/0', values: [0, 1, 1, 3] },
      { tag: 'loads', image: picture },
    ]);
    const { data } = readRecords(record).next().value!;
    const event = decode(data);
    expect(field(event, 1)).toBe(12.5);
    expect(field(event, 2)).toBe(300);
    const [scalar, histogram, image] = decode(field(event, 5) as Uint8Array).map(({ value }) =>
      decode(value as Uint8Array),
    ) as [Field[], Field[], Field[]];
    expect([text(field(scalar, 1)), field(scalar, 2)]).toEqual(['loss', 1.5]);

    expect(text(field(histogram, 1))).toBe('loads/0');
    const histo = decode(field(histogram, 5) as Uint8Array);
    // Smallest, largest, number, sum, sum of squares.
    expect([1, 2, 3, 4, 5].map((number) => field(histo, number))).toEqual([0, 3, 4, 5, 11]);
    const limits = doubles(field(histo, 6));
    const buckets = doubles(field(histo, 7));
    expect(limits).toHaveLength(buckets.length);
    expect(limits.at(-1)).toBeCloseTo(3, 12);
    expect(buckets[0]).toBe(1);
    expect(buckets[limits.findIndex((limit) => limit > 1)]).toBe(2);
    expect(buckets.at(-1)).toBe(1);

    expect(text(field(image, 1))).toBe('loads');
    const encoded = decode(field(image, 4) as Uint8Array);
    expect([1, 2, 3].map((number) => field(encoded, number))).toEqual([picture.height, picture.width, 3]);
    expect(field(encoded, 4)).toEqual(new Uint8Array(encodePng(picture)));
  });

  it('are cut back to a step, and at what was damaged or not written whole', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 3_000_000 }), { maxLength: 6 }),
        fc.nat({ max: 3_000_000 }),
        fc.nat({ max: 30 }),
        (unsorted, step, lost) => {
          const steps = unsorted.toSorted((a, b) => a - b);
          const records = steps.map((at) => summaryRecord(1, at, [{ tag: 'x', scalar: at }]));
          const head = fileVersionRecord(1);
          const kept = [head, ...records.filter((_, i) => steps[i]! <= step)];
          expect(eventsUntilStep(Buffer.concat([head, ...records]), step)).toEqual(Buffer.concat(kept));
          // The last record lost its end, and what comes after it is of no use.
          const torn = summaryRecord(1, step, [{ tag: 'x', scalar: 1 }]).subarray(0, -1 - lost);
          expect(eventsUntilStep(Buffer.concat([...kept, torn]), step)).toEqual(Buffer.concat(kept));
        },
      ),
    );
    const flipped = Buffer.from(summaryRecord(1, 1, [{ tag: 'x', scalar: 1 }]));
    flipped[20]! ^= 4;
    expect(eventsUntilStep(Buffer.concat([fileVersionRecord(1), flipped]), 9)).toEqual(
      Buffer.from(fileVersionRecord(1)),
    );
  });

  it('frame any data so that it comes back', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), (contents) => {
        const file = Buffer.concat(contents.map(frameRecord));
        expect(Array.from(readRecords(file), ({ data }) => new Uint8Array(data))).toEqual(contents);
      }),
    );
  });
});

describe('the picture of loads', () => {
  it('shades an expert by its load over the fair share, in a PNG whose pixels are these', () => {
    const picture = loadPicture([[0, 2, 4, 2]]);
    const at = (expert: number): number[] => [...picture.rgb.subarray(24 * expert, 24 * expert + 3)];
    const [idle, fair, double] = [at(0), at(1), at(2)];
    expect(at(3)).toEqual(fair);
    for (let channel = 0; channel < 3; channel++) {
      expect(idle[channel]).toBeGreaterThan(fair[channel]!);
      expect(fair[channel]).toBeGreaterThan(double[channel]!);
    }
    const png = Buffer.from(encodePng(picture));
    const start = png.indexOf('IDAT');
    const rows = inflateSync(png.subarray(start + 4, start + 4 + png.readUInt32BE(start - 4)));
    expect(rows.length).toBe(picture.height * (1 + 3 * picture.width));
    expect([...rows.subarray(1, 1 + 3 * picture.width)]).toEqual([...picture.rgb.subarray(0, 3 * picture.width)]);
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([picture.width, picture.height]);
  });
});
