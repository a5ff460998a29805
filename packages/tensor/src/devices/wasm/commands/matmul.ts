/** Words of the matrix product. A batch lies `aBatchBytes` and `bBatchBytes` apart, 0 for one matrix for all. */
export const matmul = {
  /** `turned`, `packed`: whether MATMUL_TURN and MATMUL_PACK have made a and b. */
  MATMUL_PRODUCT: {
    a: 'address',
    b: 'address',
    out: 'address',
    m: 'i32',
    n: 'i32',
    k: 'i32',
    transposeA: 'flag',
    transposeB: 'flag',
    aBatchBytes: 'i32',
    bBatchBytes: 'i32',
    accumulate: 'flag',
    rowsPerTile: 'i32',
    columnsPerTile: 'i32',
    rowTiles: 'i32',
    columnTiles: 'i32',
    turned: 'flag',
    packed: 'flag',
  },
  MATMUL_PACK: {
    b: 'address',
    packed: 'address',
    n: 'i32',
    k: 'i32',
    transposeB: 'flag',
    bBatchBytes: 'i32',
    columnTiles: 'i32',
  },
  MATMUL_TURN: { a: 'address', turned: 'address', m: 'i32', k: 'i32', aBatchBytes: 'i32' },
} as const;
