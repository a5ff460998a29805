/** Words of the commands that copy. */
export const movement = {
  /** Rows of a box; strides along a row, in elements. */
  COPY_ROWS: {
    rows: 'i32',
    inner: 'i32',
    rowsPerTile: 'i32',
    chunksPerRow: 'i32',
    chunkColumns: 'i32',
    x: 'address',
    out: 'address',
    xStride: 'i32',
    outStride: 'i32',
    axes: 'axes',
  },
  /**
   * `out[i, j] = x[j, i]` for i below `height` and j below `width`, in blocks; strides in elements, of j in x and of i
   * in out.
   */
  COPY_TRANSPOSED: {
    x: 'address',
    out: 'address',
    height: 'i32',
    width: 'i32',
    xStride: 'i32',
    outStride: 'i32',
    blockRows: 'i32',
    blockColumns: 'i32',
    axes: 'axes',
  },
  /** Bytes as they lie; a tile copies COPY_TILE_BYTES. */
  COPY_BYTES: { out: 'address', x: 'address', bytes: 'u32' },
} as const;
