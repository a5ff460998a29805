/** What the recording thread computes itself, at once, while the workers run commands. */
import { loadTail, storeTail } from './simd';

/** `out[i] = a[i] + b[i]`; may run in place. */
export function addNumbers(out: usize, a: usize, b: usize, count: i32): void {
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
  const rest = count & 3;
  const zero = f32x4.splat(0);
  if (rest) storeTail(out + bytes, f32x4.add(loadTail(a + bytes, rest, zero), loadTail(b + bytes, rest, zero)), rest);
}
