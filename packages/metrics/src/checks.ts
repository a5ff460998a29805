/** What several modules ask of their arguments. */

/** Throws a RangeError unless the value is a whole number from 1 to `most`. */
export function checkPositiveInteger(name: string, value: number, most: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  const bounds = most === Number.MAX_SAFE_INTEGER ? 'of at least 1' : `from 1 to ${most}`;
  throw new RangeError(`${name} is ${value}; it must be an integer ${bounds}`);
}

/** The largest number that a field of 32 bits holds. */
export const MAX_U32: number = 2 ** 32 - 1;
