/**
 * Routing traces as files.
 *
 * The file, all numbers little-endian; T tokens, L layers, S slots, M experts:
 *
 * | bytes | header | | bytes | body |
 * |---|---|---|---|---|
 * | 8 | `LPRTRACE` | | 4 T | token ids (i32) |
 * | 4 | version (u32), 1 | | 2 T | index of each token's domain (u16) |
 * | 4 x 4 | L, M, S, T (u32) | | L T S, or twice that | chosen experts: u8 where M is at most 255, else u16 |
 * | 4 | length of the names in bytes (u32) | | 4 L T S | weights (f32) |
 * | | names of the domains, a JSON array in UTF-8 | | | |
 */
import { checkTrace, type RoutingTrace, TRACE_EXTENTS } from './traces.ts';

const MAGIC = 'LPRTRACE';
const VERSION = 1;
const HEADER_BYTES = 32;

/** The bytes of a trace as a file. */
export function encodeTrace(trace: RoutingTrace): Uint8Array {
  checkTrace(trace);
  const names = new TextEncoder().encode(JSON.stringify(trace.domains));
  const bytes = new Uint8Array(fileBytes(trace, names.length));
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  for (const [i, extent] of TRACE_EXTENTS.entries()) view.setUint32(12 + 4 * i, trace[extent], true);
  view.setUint32(28, names.length, true);
  bytes.set(names, HEADER_BYTES);
  let at = HEADER_BYTES + names.length;
  for (const id of trace.tokenIds) {
    view.setInt32(at, id, true);
    at += 4;
  }
  at = putU16(view, at, trace.domainOf);
  if (expertBytes(trace.experts) === 2) at = putU16(view, at, trace.chosen);
  else {
    bytes.set(trace.chosen, at);
    at += trace.chosen.length;
  }
  for (const weight of trace.weights) {
    view.setFloat32(at, weight, true);
    at += 4;
  }
  return bytes;
}

/**
 * Reads the bytes of a trace. Throws where they are none, cut short or damaged; nothing is allocated before the sizes
 * were found to agree.
 */
export function decodeTrace(bytes: Uint8Array): RoutingTrace {
  if (bytes.length < HEADER_BYTES || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
    throw new Error(
      `not a routing trace: it must start with a header of ${HEADER_BYTES} bytes that opens with "${MAGIC}"`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(8, true);
  if (version !== VERSION) {
    throw new Error(`the trace has format version ${version}; this program reads version ${VERSION}`);
  }
  const [layers, experts, slots, tokens] = TRACE_EXTENTS.map((_, i) => view.getUint32(12 + 4 * i, true)) as [
    number,
    number,
    number,
    number,
  ];
  const nameBytes = view.getUint32(28, true);
  const expected = fileBytes({ layers, experts, slots, tokens }, nameBytes);
  if (bytes.length !== expected) {
    throw new Error(`the trace has ${bytes.length} bytes where its header says ${expected}; the file is damaged`);
  }
  const choices = layers * tokens * slots;
  const width = expertBytes(experts);
  let at = HEADER_BYTES + nameBytes;
  const take = <T extends Int32Array | Uint16Array | Float32Array>(
    into: T,
    bytesEach: number,
    get: (at: number) => number,
  ): T => {
    for (let i = 0; i < into.length; i++) into[i] = get(at + i * bytesEach);
    at += into.length * bytesEach;
    return into;
  };
  const u16 = (from: number): number => view.getUint16(from, true);
  const tokenIds = take(new Int32Array(tokens), 4, (from) => view.getInt32(from, true));
  const domainOf = take(new Uint16Array(tokens), 2, u16);
  const chosen = take(new Uint16Array(choices), width, width === 2 ? u16 : (from) => view.getUint8(from));
  const weights = take(new Float32Array(choices), 4, (from) => view.getFloat32(from, true));
  const domains = decodeNames(bytes.subarray(HEADER_BYTES, HEADER_BYTES + nameBytes));
  const trace = { layers, experts, slots, tokens, tokenIds, domains, domainOf, chosen, weights };
  checkTrace(trace);
  return trace;
}

function putU16(view: DataView, start: number, values: Uint16Array): number {
  for (const [i, value] of values.entries()) view.setUint16(start + 2 * i, value, true);
  return start + 2 * values.length;
}

function fileBytes(extents: Pick<RoutingTrace, (typeof TRACE_EXTENTS)[number]>, nameBytes: number): number {
  const choices = extents.layers * extents.tokens * extents.slots;
  return HEADER_BYTES + nameBytes + 6 * extents.tokens + (expertBytes(extents.experts) + 4) * choices;
}

/** M itself must fit, for the empty slots. */
function expertBytes(experts: number): 1 | 2 {
  return experts < 256 ? 1 : 2;
}

function decodeNames(bytes: Uint8Array): readonly string[] {
  const text = new TextDecoder().decode(bytes);
  try {
    const names: unknown = JSON.parse(text);
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  } catch {
    // Reported below, as any other text that is no array of names.
  }
  throw new Error(
    `the domains of the trace must be a JSON array of strings, got ${text.slice(0, 80)}; the file is damaged`,
  );
}
