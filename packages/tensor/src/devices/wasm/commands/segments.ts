/** Words of sorting into segments and of their sums. */
export const segments = {
  SEGMENT_PLAN: {
    keys: 'address',
    counts: 'address',
    offsets: 'address',
    order: 'address',
    inverse: 'address',
    count: 'i32',
    segments: 'i32',
  },
  /** `height`: rows of x; `places`: places of the order. */
  SEGMENT_SUM: {
    x: 'address',
    order: 'address',
    offsets: 'address',
    out: 'address',
    segments: 'i32',
    columns: 'i32',
    divisor: 'u32',
    segmentsPerTile: 'i32',
    columnsPerTile: 'i32',
    height: 'u32',
    places: 'u32',
  },
} as const;
