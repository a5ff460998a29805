/** Words of the random numbers; a group is 16 numbers. */
export const random = {
  RANDOM_UNIFORM: { out: 'address', count: 'i32', keyLow: 'u32', keyHigh: 'u32', groupsPerTile: 'i32' },
  RANDOM_NORMAL: { out: 'address', count: 'i32', keyLow: 'u32', keyHigh: 'u32', groupsPerTile: 'i32' },
} as const;
