/** Words of top-k and of taking and scattering along rows. */
export const topk = {
  TOP_K: {
    x: 'address',
    values: 'address',
    indices: 'address',
    rows: 'i32',
    columns: 'i32',
    k: 'i32',
    rowsPerTile: 'i32',
  },
  TAKE_ALONG_ROWS: {
    x: 'address',
    indices: 'address',
    out: 'address',
    rows: 'i32',
    columns: 'i32',
    k: 'i32',
    rowsPerTile: 'i32',
  },
  SCATTER_ALONG_ROWS: {
    x: 'address',
    indices: 'address',
    out: 'address',
    rows: 'i32',
    columns: 'i32',
    k: 'i32',
    rowsPerTile: 'i32',
    fill: 'f32',
    accumulate: 'flag',
  },
} as const;
