/**
 * The k largest of each row. Floats are compared as integer keys in which NaN is the largest and both zeros are equal; a row
 * is scanned once, against the smallest of the best k so far, which soon lets few elements through.
 */

/** Keys that order four floats as signed integers; all are above `i32.MIN_VALUE`. */
// @ts-ignore: decorator
@inline
function keysOf(x: v128): v128 {
  // Adding zero turns -0 into +0. Negative floats order backwards: their bits below the sign are flipped.
  const bits = f32x4.add(x, f32x4.splat(0));
  const ordered = v128.xor(bits, i32x4.shr_u(i32x4.shr_s(bits, 31), 1));
  return v128.bitselect(i32x4.splat(i32.MAX_VALUE), ordered, f32x4.ne(x, x));
}

// @ts-ignore: decorator
@inline
function keyOf(x: f32): i32 {
  if (x != x) return i32.MAX_VALUE;
  const bits = reinterpret<i32>(x + 0);
  return bits ^ ((bits >> 31) >>> 1);
}

/** x, values, indices, rows, columns, k, rows a tile */
export function topK(args: usize, tile: i32, scratch: usize): void {
  const x = load<usize>(args);
  const values = load<usize>(args, 4);
  const indices = load<usize>(args, 8);
  const rows = load<i32>(args, 12);
  const columns = load<i32>(args, 16);
  const k = load<i32>(args, 20);
  const rowsPerTile = load<i32>(args, 24);
  const end = min(rows, (tile + 1) * rowsPerTile);
  for (let row = tile * rowsPerTile; row < end; row++) {
    const from = x + ((<usize>row * <usize>columns) << 2);
    const to = (<usize>row * <usize>k) << 2;
    selectRow(from, columns, k, scratch, indices + to);
    for (let j: usize = 0; j < <usize>k; j++) {
      const index = load<u32>(indices + to + (j << 2));
      store<u32>(values + to + (j << 2), load<u32>(from + (index << 2)));
    }
  }
}

/** Writes the indices of the k largest, descending; `best` has room for their keys. */
function selectRow(x: usize, columns: i32, k: i32, best: usize, indices: usize): void {
  for (let j: usize = 0; j < <usize>k; j++) store<i32>(best + (j << 2), i32.MIN_VALUE);
  let threshold = i32.MIN_VALUE;
  let thresholds = i32x4.splat(threshold);
  let column = 0;
  for (; column + 4 <= columns; column += 4) {
    let candidates = i32x4.bitmask(i32x4.gt_s(keysOf(v128.load(x + ((<usize>column) << 2))), thresholds));
    if (candidates == 0) continue;
    do {
      const index = column + ctz(candidates);
      candidates &= candidates - 1;
      const key = keyOf(load<f32>(x + ((<usize>index) << 2)));
      if (key > threshold) threshold = insert(key, index, k, best, indices);
    } while (candidates != 0);
    thresholds = i32x4.splat(threshold);
  }
  for (; column < columns; column++) {
    const key = keyOf(load<f32>(x + ((<usize>column) << 2)));
    if (key > threshold) threshold = insert(key, column, k, best, indices);
  }
}

/** Puts a key behind those that are not smaller (earlier indices win ties), drops the last, returns the new last. */
// @ts-ignore: decorator
@inline
function insert(key: i32, index: i32, k: i32, best: usize, indices: usize): i32 {
  let place = (<usize>(k - 1)) << 2;
  while (place > 0) {
    const before = load<i32>(best + place - 4);
    if (before >= key) break;
    store<i32>(best + place, before);
    store<i32>(indices + place, load<i32>(indices + place - 4));
    place -= 4;
  }
  store<i32>(best + place, key);
  store<i32>(indices + place, index);
  return load<i32>(best + ((<usize>(k - 1)) << 2));
}
