/**
 * TensorBoard's events: the few messages of TensorFlow's event.proto and summary.proto that scalars, histograms and
 * images take, as protocol buffers.
 */
import { encodePng, type Pixels } from './png.ts';
import { frameRecord, readRecords } from './records.ts';

export type Summary =
  | { readonly tag: string; readonly scalar: number }
  | { readonly tag: string; readonly values: ArrayLike<number> }
  | { readonly tag: string; readonly image: Pixels };

/** The record that a file begins with. `wallTime` in seconds since 1970, as everywhere. */
export function fileVersionRecord(wallTime: number): Uint8Array {
  return frameRecord(message([double(1, wallTime), text(3, 'brain.Event:2')]));
}

/** The record of what is shown at a step. */
export function summaryRecord(wallTime: number, step: number, summaries: readonly Summary[]): Uint8Array {
  const values = summaries.map((summary) => nested(1, [text(1, summary.tag), ...valueOf(summary)]));
  return frameRecord(message([double(1, wallTime), varint(2, step), nested(5, values)]));
}

/**
 * The leading part of a file with the events up to a step, less those of that step from the first on with tags of a
 * group: a view, not a copy. What follows a damaged record is left out.
 */
export function eventsUntilStep(file: Buffer, step: number, withoutGroup?: string): Buffer {
  let kept = 0;
  for (const { data, end } of readRecords(file)) {
    const at = stepOf(data);
    if (at > step) break;
    if (at === step && withoutGroup !== undefined && Buffer.from(data).includes(`${withoutGroup}/`)) break;
    kept = end;
  }
  return file.subarray(0, kept);
}

/** The step of an event as written here: after the time, the first field (8 + 1 bytes), unless it is 0. */
function stepOf(event: Uint8Array): number {
  let at = 9;
  if (event[at++] !== tagByte(2, VARINT)) return 0;
  let step = 0;
  for (let scale = 1; at < event.length; scale *= 128) {
    const byte = event[at++]!;
    step += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  return step;
}

function valueOf(summary: Summary): Uint8Array[] {
  if ('scalar' in summary) return [float(2, summary.scalar)];
  if ('values' in summary) return [nested(5, histogram(summary.values))];
  const { width, height } = summary.image;
  // Colour space 3 is RGB.
  return [nested(4, [varint(1, height), varint(2, width), varint(3, 3), bytes(4, encodePng(summary.image))])];
}

const BUCKETS = 30;

/** HistogramProto: min, max, num, sum, sum of squares, and equal buckets from the smallest to the largest value. */
function histogram(values: ArrayLike<number>): Uint8Array[] {
  const all = Float64Array.from(values);
  // No spread: there may be more experts than a call takes arguments.
  const min = all.reduce((least, value) => Math.min(least, value), Infinity);
  const max = all.reduce((most, value) => Math.max(most, value), -Infinity);
  const width = max > min ? (max - min) / BUCKETS : 1;
  const counts = new Float64Array(BUCKETS);
  for (const value of all) counts[Math.min(BUCKETS - 1, Math.floor((value - min) / width))]!++;
  const limits = Float64Array.from(counts, (_, i) => min + (i + 1) * width);
  return [
    double(1, min),
    double(2, max),
    double(3, all.length),
    double(
      4,
      all.reduce((a, b) => a + b, 0),
    ),
    double(
      5,
      all.reduce((a, b) => a + b * b, 0),
    ),
    bytes(6, new Uint8Array(limits.buffer)),
    bytes(7, new Uint8Array(counts.buffer)),
  ];
}

// ---- protocol buffers: a field is a number and a wire type, then its value

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

/** All field numbers here are below 16, so tags take one byte. */
function tagByte(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

function message(fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

function varint(field: number, value: number): Uint8Array {
  return Uint8Array.of(tagByte(field, VARINT), ...varintBytes(value));
}

function varintBytes(value: number): number[] {
  const encoded: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) encoded.push((rest % 128) | 0x80);
  return [...encoded, rest];
}

function double(field: number, value: number): Uint8Array {
  const encoded = new Uint8Array(9);
  encoded[0] = tagByte(field, FIXED_64);
  new DataView(encoded.buffer).setFloat64(1, value, true);
  return encoded;
}

function float(field: number, value: number): Uint8Array {
  const encoded = new Uint8Array(5);
  encoded[0] = tagByte(field, FIXED_32);
  new DataView(encoded.buffer).setFloat32(1, value, true);
  return encoded;
}

function bytes(field: number, content: Uint8Array): Uint8Array {
  return message([Uint8Array.of(tagByte(field, LENGTH_DELIMITED), ...varintBytes(content.length)), content]);
}

function text(field: number, content: string): Uint8Array {
  return bytes(field, new TextEncoder().encode(content));
}

function nested(field: number, fields: readonly Uint8Array[]): Uint8Array {
  return bytes(field, message(fields));
}
