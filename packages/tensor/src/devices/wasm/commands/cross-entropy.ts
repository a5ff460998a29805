/** Words of cross entropy. */
export const crossEntropy = {
  COUNT_LABELS: { labels: 'address', out: 'address', rows: 'i32', ignoredLabel: 'i32' },
  /** `scale` may be null. */
  SOFTMAX_CROSS_ENTROPY: {
    logits: 'address',
    labels: 'address',
    losses: 'address',
    scale: 'address',
    rows: 'i32',
    columns: 'i32',
    ignoredLabel: 'i32',
    rowsPerTile: 'i32',
  },
} as const;
