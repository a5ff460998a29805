/** Records the reductions: cuts long axes into blocks of fixed size, whose results are reduced again. */
import type { ReduceKernels, ReduceOp } from '../../kernels/reduce.ts';
import { OP_MAX, OP_MIN, OP_SUM } from '../constants.ts';
import type { Recorder } from '../recorder.ts';

/** Elements of one tile: some microseconds of work. */
const TILE_ELEMENTS = 16384;

/** The longest contiguous row that is reduced in one go; longer ones are cut into blocks of TILE_ELEMENTS. */
const LONGEST_ROW = 65536;

/** Steps of a strided axis that are reduced in one go. */
const BLOCK_ROWS = 256;

/** Columns that a tile takes beside each other. */
const PIECE_COLUMNS = 512;

const OPS: Record<ReduceOp, number> = { sum: OP_SUM, max: OP_MAX, min: OP_MIN };

/** A reduction as addresses in bytes, for kernels that combine partial results of their own. */
export interface Reduction {
  readonly op: ReduceOp;
  readonly x: number;
  readonly out: number;
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

function recordRows(recorder: Recorder, { op, x, out, outer, length }: Reduction, blockLength: number): void {
  const blocks = Math.max(1, Math.ceil(length / blockLength));
  const units = outer * blocks;
  const unitsPerTile = Math.max(1, Math.floor(TILE_ELEMENTS / Math.max(16, Math.min(length, blockLength))));
  recorder.record('REDUCE_ROWS', Math.ceil(units / unitsPerTile), {
    x,
    out,
    op: OPS[op],
    units,
    unitsPerTile,
    blocks,
    length,
    blockLength,
  });
}

function recordBlocks(recorder: Recorder, { op, x, out, outer, length, inner }: Reduction): void {
  const blocks = Math.max(1, Math.ceil(length / BLOCK_ROWS));
  const pieces = Math.ceil(inner / PIECE_COLUMNS);
  const units = outer * blocks * pieces;
  const unitElements = Math.max(1, Math.min(length, BLOCK_ROWS)) * Math.min(inner, PIECE_COLUMNS);
  const unitsPerTile = Math.max(1, Math.floor(TILE_ELEMENTS / unitElements));
  recorder.record('REDUCE_BLOCKS', Math.ceil(units / unitsPerTile), {
    x,
    out,
    op: OPS[op],
    units,
    unitsPerTile,
    blocks,
    length,
    blockLength: BLOCK_ROWS,
    inner,
    pieces,
    pieceColumns: PIECE_COLUMNS,
  });
}

/** Records x `[outer, length, inner]` to out `[outer, inner]`. */
export function recordReduction(recorder: Recorder, reduction: Reduction): void {
  const { outer, length, inner } = reduction;
  const strided = inner !== 1;
  const blockLength = strided ? BLOCK_ROWS : TILE_ELEMENTS;
  if (length <= (strided ? BLOCK_ROWS : LONGEST_ROW)) {
    if (strided) recordBlocks(recorder, reduction);
    else recordRows(recorder, reduction, LONGEST_ROW);
    return;
  }
  const blocks = Math.ceil(length / blockLength);
  const partial = recorder.temporary(4 * outer * blocks * inner);
  if (strided) recordBlocks(recorder, { ...reduction, out: partial });
  else recordRows(recorder, { ...reduction, out: partial }, blockLength);
  recordReduction(recorder, { ...reduction, x: partial, length: blocks });
  recorder.release(partial);
}

export function reduceKernels(recorder: Recorder): ReduceKernels {
  return {
    reduce: ({ op, x, out, outer, length, inner }) =>
      recordReduction(recorder, { op, x: recorder.address(x), out: recorder.address(out), outer, length, inner }),

    sumOfSquares({ xs, out }) {
      let tiles = 0;
      const rows = xs
        .filter(({ count }) => count > 0)
        .map(({ x, count }) => {
          const row = { x, count, firstTile: tiles };
          tiles += Math.ceil(count / TILE_ELEMENTS);
          return row;
        });
      const table = recorder.table('SUM_OF_SQUARES_SEGMENT', rows);
      const partials = recorder.temporary(8 * tiles);
      const words = { table, segments: rows.length, chunk: TILE_ELEMENTS, partials };
      recorder.record('SUM_OF_SQUARES_PARTIAL', tiles, words);
      recorder.record('SUM_OF_SQUARES_COMBINE', 1, { partials, count: tiles, out });
      recorder.release(partials);
      recorder.release(table);
    },
  };
}
