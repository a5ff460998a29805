/**
 * Exact expert loads over time: what a training loop counts, and how a run folder keeps it.
 *
 * `LoadRecorder` adds up the counts of a logging window. The file is a header and then one record per window, appended
 * and never rewritten, all integers little-endian:
 *
 * | bytes | header | | bytes | record |
 * |---|---|---|---|---|
 * | 8 | `LPRLOADS` | | 8 | step (u64): training steps done when the window closed |
 * | 4 | version (u32), 1 | | 8 | tokens (u64) in the window, padding left out |
 * | 4 | layers (u32), L | | 4 L M | counts (u32), layer by layer |
 * | 4 | experts (u32), M | | | |
 * | 4 | top-k (u32) | | | |
 *
 * A process killed while it appends leaves a record cut short; reading reports and ignores it.
 */
import { checkPositiveInteger, MAX_U32 } from './checks.ts';
import { checkCounts, type Counts } from './counts.ts';

/** More training steps than any run has, in whatever file: a number beyond is damage. */
export const MAX_STEP = 1e12;

/** What all records of one file have in common. */
export interface LoadShape {
  /** Mixture-of-experts layers, in the order of the model; dense layers are not counted. */
  readonly layers: number;
  /** Routed experts per layer. */
  readonly experts: number;
  /** Experts that a token is sent to. */
  readonly topK: number;
}

/** The loads of one window. */
export interface LoadWindow {
  /** Training steps done when the window closed. */
  readonly step: number;
  /** Tokens routed in the window, padding left out. */
  readonly tokens: number;
  /** `[layers][experts]`: token-expert pairs that each expert got. */
  readonly counts: readonly Counts[];
}

/** What `decodeLoads` reads. */
export interface LoadFile {
  readonly shape: LoadShape;
  /** In the order of the file, steps ascending. */
  readonly windows: readonly LoadWindow[];
  /** Bytes of a last record that was cut short; 0 for a file that was closed well. */
  readonly truncatedBytes: number;
}

/**
 * Adds up exact counts per layer until a window is taken.
 *
 * ```ts
 * const recorder = new LoadRecorder({ layers: 6, experts: 128 });
 * recorder.add(0, countsOfLayer0); // each step or micro-batch, for each layer
 * const { mean, worst } = layersReport(recorder.window());
 * recorder.reset(); // the next window starts
 * ```
 *
 * To carry a window that is not full across a restart, save `window()` and `add` it back layer by layer.
 */
export class LoadRecorder {
  readonly layers: number;
  readonly experts: number;
  readonly #counts: readonly Float64Array[];

  constructor(shape: Pick<LoadShape, 'layers' | 'experts'>) {
    checkPositiveInteger('layers', shape.layers, MAX_U32);
    checkPositiveInteger('experts', shape.experts, MAX_U32);
    this.layers = shape.layers;
    this.experts = shape.experts;
    this.#counts = Array.from({ length: shape.layers }, () => new Float64Array(shape.experts));
  }

  /** Adds the counts `[experts]` (integers >= 0) of some tokens to one layer of the window. */
  add(layer: number, counts: Counts): void {
    const sums = this.#counts[layer];
    if (sums === undefined) throw new RangeError(`layer is ${layer}; this recorder has layers 0 to ${this.layers - 1}`);
    checkIntegers(counts, this.experts, `counts of layer ${layer}`);
    for (let expert = 0; expert < this.experts; expert++) sums[expert]! += counts[expert]!;
  }

  /** A copy of what the window holds so far, `[layers][experts]`. */
  window(): Float64Array[] {
    return this.#counts.map((counts) => counts.slice());
  }

  /** Starts the next window at 0. */
  reset(): void {
    for (const counts of this.#counts) counts.fill(0);
  }
}

const MAGIC = 'LPRLOADS';
const VERSION = 1;
/** Bytes before the first record. */
export const LOAD_HEADER_BYTES = 24;
/** Bytes of a record before its counts. */
export const LOAD_RECORD_HEADER_BYTES = 16;

/** The bytes that a file of loads starts with. */
export function encodeLoadHeader(shape: LoadShape): Uint8Array {
  const bytes = new Uint8Array(LOAD_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  for (const [i, name] of (['layers', 'experts', 'topK'] as const).entries()) {
    checkPositiveInteger(name, shape[name], MAX_U32);
    view.setUint32(12 + 4 * i, shape[name], true);
  }
  return bytes;
}

/** The bytes of one record, to be appended to a file whose header has this shape. Counts must be below 2^32. */
export function encodeLoadWindow(shape: LoadShape, window: LoadWindow): Uint8Array {
  if (window.counts.length !== shape.layers) {
    throw new RangeError(`the window has counts of ${window.counts.length} layers; the file has ${shape.layers}`);
  }
  const bytes = new Uint8Array(loadRecordBytes(shape));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(window.step), true);
  view.setBigUint64(8, BigInt(window.tokens), true);
  let offset = LOAD_RECORD_HEADER_BYTES;
  for (const [layer, counts] of window.counts.entries()) {
    checkIntegers(counts, shape.experts, `counts of layer ${layer}`);
    for (let expert = 0; expert < shape.experts; expert++) {
      const count = counts[expert]!;
      if (count > MAX_U32) {
        throw new RangeError(
          `expert ${expert} of layer ${layer} counts ${count}; a record holds up to ${MAX_U32}: record more often`,
        );
      }
      view.setUint32(offset, count, true);
      offset += 4;
    }
  }
  return bytes;
}

/** Reads a file of loads. Throws where the bytes are no such file or records are out of order. */
export function decodeLoads(bytes: Uint8Array): LoadFile {
  const shape = decodeHeader(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = loadRecordBytes(shape);
  const windows: LoadWindow[] = [];
  let start = LOAD_HEADER_BYTES;
  for (; start + size <= bytes.length; start += size) {
    const step = Number(view.getBigUint64(start, true));
    const previous = windows.at(-1)?.step ?? -1;
    if (step <= previous) {
      throw new Error(
        `record ${windows.length} of the loads has step ${step} after step ${previous}; the file is damaged`,
      );
    }
    if (step > MAX_STEP) {
      throw new Error(
        `record ${windows.length} of the loads has step ${step}, beyond the most, ${MAX_STEP}; the file is damaged`,
      );
    }
    const counts = Array.from({ length: shape.layers }, (_, layer) => {
      const offset = start + LOAD_RECORD_HEADER_BYTES + 4 * layer * shape.experts;
      return Uint32Array.from({ length: shape.experts }, (_, expert) => view.getUint32(offset + 4 * expert, true));
    });
    windows.push({ step, tokens: Number(view.getBigUint64(start + 8, true)), counts });
  }
  return { shape, windows, truncatedBytes: bytes.length - start };
}

/**
 * The leading part of a file of loads that ends with the last whole record of `step` or before: what a run that resumes
 * from a checkpoint of that step keeps. A view, not a copy.
 */
export function loadsUntilStep(bytes: Uint8Array, step: number): Uint8Array {
  const { shape, windows } = decodeLoads(bytes);
  const kept = windows.filter((window) => window.step <= step).length;
  return bytes.subarray(0, LOAD_HEADER_BYTES + kept * loadRecordBytes(shape));
}

function decodeHeader(bytes: Uint8Array): LoadShape {
  if (bytes.length < LOAD_HEADER_BYTES || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) {
    throw new Error(
      `not a file of expert loads: it must start with a header of ${LOAD_HEADER_BYTES} bytes that opens with "${MAGIC}"`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, LOAD_HEADER_BYTES);
  const version = view.getUint32(8, true);
  if (version !== VERSION)
    throw new Error(`the loads have format version ${version}; this program reads version ${VERSION}`);
  const shape = { layers: view.getUint32(12, true), experts: view.getUint32(16, true), topK: view.getUint32(20, true) };
  checkPositiveInteger('layers', shape.layers, MAX_U32);
  checkPositiveInteger('experts', shape.experts, MAX_U32);
  checkPositiveInteger('topK', shape.topK, MAX_U32);
  return shape;
}

/** Bytes of one record: those of a file that only grows can be read by their place. */
export function loadRecordBytes({ layers, experts }: Pick<LoadShape, 'layers' | 'experts'>): number {
  return LOAD_RECORD_HEADER_BYTES + 4 * layers * experts;
}

function checkIntegers(counts: Counts, experts: number, name: string): void {
  checkCounts(counts, name);
  if (counts.length !== experts) {
    throw new RangeError(`${name} has ${counts.length} entries; there are ${experts} experts`);
  }
  for (let expert = 0; expert < experts; expert++) {
    if (!Number.isSafeInteger(counts[expert]!)) {
      throw new RangeError(`${name}: expert ${expert} has ${counts[expert]}; exact counts are integers`);
    }
  }
}
