/** Words of the rotary position embedding: rows are (batch, position), of `heads` heads of `columns` channels. */
export const rope = {
  ROPE: {
    rows: 'i32',
    columns: 'i32',
    rowsPerTile: 'i32',
    x: 'address',
    cos: 'address',
    sin: 'address',
    out: 'address',
    sequence: 'i32',
    heads: 'i32',
    offset: 'i32',
    interleaved: 'flag',
    inverse: 'flag',
  },
} as const;
