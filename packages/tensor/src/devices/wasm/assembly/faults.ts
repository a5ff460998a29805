/**
 * Indices that kernels follow are known to the device alone, so nobody else can stop a read or a write beside the data.
 * A kernel that meets one out of bounds notes it here and traps; the host then says which it was.
 */
let index: i32 = 0;
let bound: i32 = -1;

/**
 * The index that stopped this thread, and the number of things it chooses among; -1 when nothing of the kind has
 * happened.
 */
export function faultIndex(): i32 {
  return index;
}
export function faultBound(): i32 {
  return bound;
}

/** Traps unless `0 <= at < count`. */
@inline
export function checkIndex(at: u32, count: u32): void {
  if (at >= count) fail(at, count);
}

function fail(at: u32, count: u32): void {
  index = at;
  bound = count;
  unreachable();
}
