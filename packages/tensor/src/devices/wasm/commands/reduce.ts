/** Words of the reductions. */
export const reduce = {
  /** x `[rows, length]` to out `[rows, blocks]`; a unit is a block of a row. */
  REDUCE_ROWS: {
    x: 'address',
    out: 'address',
    op: 'i32',
    units: 'i32',
    unitsPerTile: 'i32',
    blocks: 'i32',
    length: 'i32',
    blockLength: 'i32',
  },
  /** x `[outer, length, inner]` to out `[outer, blocks, inner]`; a unit is some columns (a piece) of a block. */
  REDUCE_BLOCKS: {
    x: 'address',
    out: 'address',
    op: 'i32',
    units: 'i32',
    unitsPerTile: 'i32',
    blocks: 'i32',
    length: 'i32',
    blockLength: 'i32',
    inner: 'i32',
    pieces: 'i32',
    pieceColumns: 'i32',
  },
  /** A tile is a chunk of one of the buffers that the table lists (SUM_OF_SQUARES_SEGMENT); partials are f64. */
  SUM_OF_SQUARES_PARTIAL: { table: 'address', segments: 'i32', chunk: 'i32', partials: 'address' },
  SUM_OF_SQUARES_COMBINE: { partials: 'address', count: 'i32', out: 'address' },
} as const;

/** Rows of tables. */
export const reduceRecords = {
  SUM_OF_SQUARES_SEGMENT: { x: 'address', count: 'i32', firstTile: 'i32' },
} as const;
