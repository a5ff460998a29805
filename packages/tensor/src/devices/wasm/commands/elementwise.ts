/** Words of the elementwise commands. */
export const elementwise = {
  /** `bits`: what every element holds, f32 or i32. */
  FILL: { count: 'i32', chunk: 'i32', out: 'address', bits: 'i32' },
  AFFINE: { count: 'i32', chunk: 'i32', x: 'address', out: 'address', scale: 'f32', shift: 'f32' },
  /** `op`: a number OP_* of constants.ts. */
  UNARY: { count: 'i32', chunk: 'i32', x: 'address', out: 'address', op: 'i32' },
  UNARY_BACKWARD: {
    count: 'i32',
    chunk: 'i32',
    input: 'address',
    gradient: 'address',
    out: 'address',
    op: 'i32',
  },
  /** Strides along a row, in elements. */
  BINARY: {
    rows: 'i32',
    inner: 'i32',
    rowsPerTile: 'i32',
    chunksPerRow: 'i32',
    chunkColumns: 'i32',
    a: 'address',
    b: 'address',
    out: 'address',
    op: 'i32',
    aStride: 'i32',
    bStride: 'i32',
    axes: 'axes',
  },
  CAST: { count: 'i32', chunk: 'i32', x: 'address', out: 'address', toInteger: 'flag' },
} as const;
