/** Words of softmax and the logarithm of sums of exponentials. */
export const softmax = {
  SOFTMAX: { rows: 'i32', columns: 'i32', rowsPerTile: 'i32', x: 'address', out: 'address' },
  SOFTMAX_BACKWARD: {
    rows: 'i32',
    columns: 'i32',
    rowsPerTile: 'i32',
    y: 'address',
    gradient: 'address',
    out: 'address',
  },
  LOG_SUM_EXP: { rows: 'i32', columns: 'i32', rowsPerTile: 'i32', x: 'address', out: 'address' },
} as const;
