/** Words of the optimiser. */
export const optimizer = {
  /**
   * A tile is a chunk of one of the parameters that the table lists (ADAM_W_SEGMENT). `gradientScale` may be null;
   * `rest1` and `rest2` are `1 - beta`, `correction2` is `1 / c2`, `stepSize` is `learning rate / c1`.
   */
  ADAM_W: {
    table: 'address',
    segments: 'i32',
    elementsPerTile: 'i32',
    gradientScale: 'address',
    beta1: 'f32',
    rest1: 'f32',
    beta2: 'f32',
    rest2: 'f32',
    correction2: 'f32',
    stepSize: 'f32',
    epsilon: 'f32',
  },
  /** The same, of a table of PACKED_ADAM_W_SEGMENT. */
  PACKED_ADAM_W: {
    table: 'address',
    segments: 'i32',
    elementsPerTile: 'i32',
    gradientScale: 'address',
    beta1: 'f32',
    rest1: 'f32',
    beta2: 'f32',
    rest2: 'f32',
    correction2: 'f32',
    stepSize: 'f32',
    epsilon: 'f32',
  },
} as const;

/**
 * Rows of tables, of one length and beginning. `kept`: what weight decay leaves of a parameter, `1 - learning rate *
 * decay`.
 */
export const optimizerRecords = {
  ADAM_W_SEGMENT: {
    parameter: 'address',
    gradient: 'address',
    count: 'i32',
    kept: 'f32',
    firstTile: 'i32',
    firstMoment: 'address',
    secondMoment: 'address',
  },
  /** A word of `moments` holds both of an element; `random` are the bits that the first element is rounded by. */
  PACKED_ADAM_W_SEGMENT: {
    parameter: 'address',
    gradient: 'address',
    count: 'i32',
    kept: 'f32',
    firstTile: 'i32',
    moments: 'address',
    random: 'u32',
  },
} as const;
