/** Records sorting into segments, and sums over the rows of a segment. */
import type { SegmentKernels } from '../../kernels/segments.ts';
import type { Recorder } from '../recorder.ts';

/**
 * Columns that a tile of segmentSum adds up: wide enough for whole cache lines, narrow enough to share a long segment.
 */
const COLUMNS_PER_TILE = 128;

/** More tiles than this along the segments would be too small, since most segments of a vocabulary are empty. */
const SEGMENT_TILES = 1024;

export function segmentKernels(recorder: Recorder): SegmentKernels {
  return {
    segmentPlan({ keys, counts, offsets, order, inverse, count, segments }) {
      recorder.record('SEGMENT_PLAN', 1, { keys, counts, offsets, order, inverse, count, segments });
    },

    segmentSum({ x, height, order, offsets, divisor, out, segments, columns }) {
      const segmentsPerTile = Math.max(1, Math.ceil(segments / SEGMENT_TILES));
      const tiles = Math.ceil(segments / segmentsPerTile) * Math.ceil(columns / COLUMNS_PER_TILE);
      recorder.record('SEGMENT_SUM', tiles, {
        x,
        order,
        offsets,
        out,
        segments,
        columns,
        divisor,
        segmentsPerTile,
        columnsPerTile: COLUMNS_PER_TILE,
        height,
        places: order.elements,
      });
    },
  };
}
