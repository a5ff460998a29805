/** Records the kernels that select, gather and sum rows. */
import type { DeviceBuffer } from '../../device.ts';
import type { Kernels } from '../../kernels.ts';
import {
  GATHER_DOT,
  GATHER_ROWS,
  GATHER_SUM,
  SCATTER_ALONG_ROWS,
  SEGMENT_PLAN,
  SEGMENT_SUM,
  TAKE_ALONG_ROWS,
  TOP_K,
} from '../opcodes.ts';
import { floatBits, type Recorder } from '../recorder.ts';
import { tileRows } from './tiles.ts';

type RowKernels =
  | 'topK'
  | 'takeAlongRows'
  | 'scatterAlongRows'
  | 'gatherRows'
  | 'gatherSum'
  | 'gatherDot'
  | 'segmentPlan'
  | 'segmentSum';

/**
 * Columns that a tile of segmentSum adds up: wide enough for whole cache lines, narrow enough to share a long segment.
 */
const SEGMENT_COLUMNS_PER_TILE = 128;

/** More tiles than this along the segments would be too small, since most segments of a vocabulary are empty. */
const SEGMENT_TILES = 1024;

export function rowsKernels(recorder: Recorder): Pick<Kernels, RowKernels> {
  const address = (buffer: DeviceBuffer | null): number => recorder.address(buffer);
  return {
    topK({ x, values, indices, rows, columns, k }) {
      if (k === 0) return;
      const { rowsPerTile, tiles } = tileRows(rows, columns);
      recorder.record(TOP_K, tiles, [address(x), address(values), address(indices), rows, columns, k, rowsPerTile]);
    },
    takeAlongRows({ x, indices, out, rows, columns, k }) {
      const { rowsPerTile, tiles } = tileRows(rows, k);
      const words = [address(x), address(indices), address(out), rows, columns, k, rowsPerTile];
      recorder.record(TAKE_ALONG_ROWS, tiles, words);
    },
    scatterAlongRows({ x, indices, out, fill, rows, columns, k }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns + k);
      const words = [address(x), address(indices), address(out), rows, columns, k, rowsPerTile, floatBits(fill)];
      recorder.record(SCATTER_ALONG_ROWS, tiles, words);
    },
    gatherRows({ table, height, indices, divisor, weights, out, rows, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, columns);
      const addresses = [address(table), address(indices), address(weights), address(out)];
      recorder.record(GATHER_ROWS, tiles, [...addresses, rows, columns, divisor, rowsPerTile, height]);
    },
    gatherSum({ x, height, positions, weights, out, rows, k, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, k * columns);
      const addresses = [address(x), address(positions), address(weights), address(out)];
      recorder.record(GATHER_SUM, tiles, [...addresses, rows, k, columns, rowsPerTile, height]);
    },
    gatherDot({ a, x, height, positions, out, rows, k, columns }) {
      const { rowsPerTile, tiles } = tileRows(rows, k * columns);
      const addresses = [address(a), address(x), address(positions), address(out)];
      recorder.record(GATHER_DOT, tiles, [...addresses, rows, k, columns, rowsPerTile, height]);
    },
    segmentPlan({ keys, counts, offsets, order, inverse, count, segments }) {
      const addresses = [address(keys), address(counts), address(offsets), address(order), address(inverse)];
      recorder.record(SEGMENT_PLAN, 1, [...addresses, count, segments]);
    },
    segmentSum({ x, height, order, offsets, divisor, out, segments, columns }) {
      const segmentsPerTile = Math.max(1, Math.ceil(segments / SEGMENT_TILES));
      const tiles = Math.ceil(segments / segmentsPerTile) * Math.ceil(columns / SEGMENT_COLUMNS_PER_TILE);
      const words = [address(x), address(order), address(offsets), address(out), segments, columns, divisor];
      recorder.record(SEGMENT_SUM, tiles, [
        ...words,
        ...[segmentsPerTile, SEGMENT_COLUMNS_PER_TILE, height, order.elements],
      ]);
    },
  };
}
