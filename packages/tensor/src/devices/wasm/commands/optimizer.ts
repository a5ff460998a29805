/** Words of the optimiser. */
export const optimizer = {
  /**
   * A tile is a chunk of one of the parameters that the table lists (ADAM_W_SEGMENT), whose moments are all packed or
   * none. `gradientScale` may be null; `rest1` and `rest2` are `1 - beta`, `correction2` is `1 / c2`, `stepSize` is
   * `learning rate / c1`.
   */
  ADAM_W: {
    table: 'address',
    segments: 'i32',
    packed: 'flag',
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

/** Rows of tables. */
export const optimizerRecords = {
  /**
   * `kept`: what weight decay leaves of a parameter, `1 - learning rate * decay`. Packed moments are a word each in
   * `firstMoment`, and `random` are the bits that the first is rounded by.
   */
  ADAM_W_SEGMENT: {
    parameter: 'address',
    gradient: 'address',
    firstMoment: 'address',
    secondMoment: 'address',
    random: 'u32',
    count: 'i32',
    kept: 'f32',
    firstTile: 'i32',
  },
} as const;
