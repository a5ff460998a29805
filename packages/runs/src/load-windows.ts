/** Reads windows out of a file of loads by their place, so that its size does not matter. */
import type { FileHandle } from 'node:fs/promises';
import {
  decodeLoads,
  encodeLoadHeader,
  expertsPerToken,
  LOAD_HEADER_BYTES,
  LOAD_RECORD_HEADER_BYTES,
  type LoadShape,
  loadRecordBytes,
} from '@lpr/metrics';
import { hasCode } from './files.ts';
import { RUN_FILES } from './names.ts';
import { measured } from './plain.ts';
import { type RunFiles, withFile } from './run-files.ts';

/** Where the loads of a run are. */
export interface LoadsInfo extends LoadShape {
  /** Whole records in the file. */
  readonly windows: number;
  /** Tokens of the first window, and so of all but the last; 0 before there is one. */
  readonly windowTokens: number;
  /** Experts that its tokens really went to, a layer; null before there is one. */
  readonly expertsPerToken: number | null;
}

export interface WindowRange {
  /** First and last window, counted from 0. */
  readonly from: number;
  readonly to: number;
  /** At most so many windows, evenly spaced, the last always among them. */
  readonly points: number;
  /** Only this layer; all unless given. */
  readonly layer?: number;
}

/**
 * Shape and number of whole windows; null where there is no file, or it has no whole header yet.
 *
 * @throws Error where the file is none of loads, or the error of the file system
 */
export async function loadsInfo(files: RunFiles): Promise<LoadsInfo | null> {
  return await withFile(files, RUN_FILES.loads, infoOf).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
}

/**
 * Some windows of a file of loads as the bytes of a smaller file of loads.
 *
 * @throws RangeError where the file has no such windows or layer; else as `loadsInfo`
 */
export async function readWindows(files: RunFiles, range: WindowRange): Promise<Uint8Array> {
  return await withFile(files, RUN_FILES.loads, async (file) => {
    const info = await infoOf(file);
    if (info === null) throw new RangeError('the run has no loads yet');
    const { from, to, layer } = range;
    if (!(from >= 0 && from <= to && to < info.windows)) {
      throw new RangeError(`windows ${from} to ${to} are not there; the run has ${info.windows}, counted from 0`);
    }
    if (layer !== undefined && !(layer >= 0 && layer < info.layers)) {
      throw new RangeError(`layer ${layer} is not there; the run has ${info.layers}, counted from 0`);
    }
    return await copyWindows(file, info, range);
  });
}

async function infoOf(file: FileHandle): Promise<LoadsInfo | null> {
  const { size } = await file.stat();
  if (size < LOAD_HEADER_BYTES) return null;
  const { shape } = decodeLoads(await readAt(file, 0, LOAD_HEADER_BYTES));
  const record = loadRecordBytes(shape);
  const windows = Math.floor((size - LOAD_HEADER_BYTES) / record);
  // A damaged header may promise records of any size; only what the file holds is read.
  const first = windows === 0 ? undefined : decodeLoads(await readAt(file, 0, LOAD_HEADER_BYTES + record)).windows[0];
  const ran = first === undefined ? Number.NaN : expertsPerToken(first.counts, first.tokens);
  return { ...shape, windows, windowTokens: first?.tokens ?? 0, expertsPerToken: measured(ran) };
}

async function copyWindows(file: FileHandle, info: LoadsInfo, range: WindowRange): Promise<Uint8Array> {
  const { from, to, points, layer } = range;
  const shape: LoadShape = layer === undefined ? info : { ...info, layers: 1 };
  const chosen = evenlySpaced(from, to, points);
  const record = loadRecordBytes(info);
  const kept = loadRecordBytes(shape);
  const bytes = Buffer.alloc(LOAD_HEADER_BYTES + chosen.length * kept);
  bytes.set(encodeLoadHeader(shape));
  const copies = chosen.flatMap((window, i) => {
    const source = LOAD_HEADER_BYTES + window * record;
    const target = LOAD_HEADER_BYTES + i * kept;
    if (layer === undefined) return [{ source, target, length: kept }];
    const skipped = 4 * layer * info.experts;
    return [
      { source, target, length: LOAD_RECORD_HEADER_BYTES },
      {
        source: source + LOAD_RECORD_HEADER_BYTES + skipped,
        target: target + LOAD_RECORD_HEADER_BYTES,
        length: kept - LOAD_RECORD_HEADER_BYTES,
      },
    ];
  });
  await Promise.all(
    copies.map(async ({ source, target, length }) => {
      const { bytesRead } = await file.read(bytes, target, length, source);
      if (bytesRead < length) throw new Error('the loads were cut back while they were read; ask again');
    }),
  );
  return bytes;
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await file.read(bytes, 0, length, position);
  return bytes;
}

/** At most `points` whole numbers from `from` to `to`, evenly spaced, with the last. */
function evenlySpaced(from: number, to: number, points: number): number[] {
  const every = Math.ceil((to - from + 1) / Math.max(1, points));
  const chosen: number[] = [];
  for (let window = to; window >= from; window -= every) chosen.push(window);
  return chosen.toReversed();
}
