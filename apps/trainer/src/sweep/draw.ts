/** Random search: values that a seed decides, each by itself, so that more runs leave the first ones as they were. */
import { createHash } from 'node:crypto';
import type { Range } from './schema.ts';

/** Digits of a number that is drawn, so that its name says all of it. */
const DIGITS = 4;

/**
 * The value of a setting in one draw.
 *
 * @param index of the draw
 */
export function drawValue(range: Range, seed: number, index: number, path: string): unknown {
  const u = uniform(`${seed} ${index} ${path}`);
  if ('choice' in range) return range.choice[Math.floor(u * range.choice.length)];
  if ('integer' in range) {
    const [low, high] = range.integer;
    return low + Math.floor(u * (high - low + 1));
  }
  const [low, high] = 'uniform' in range ? range.uniform : range.logUniform;
  const value = 'uniform' in range ? low + u * (high - low) : low * (high / low) ** u;
  // Rounded it could lie beyond.
  return Math.min(high, Math.max(low, Number(value.toPrecision(DIGITS))));
}

/** In [0, 1), by the first 53 bits of a hash. */
function uniform(text: string): number {
  const bits = createHash('sha256').update(text).digest().readBigUInt64BE();
  return Number(bits >> 11n) / 2 ** 53;
}
