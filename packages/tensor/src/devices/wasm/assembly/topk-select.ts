/**
 * The k largest of each row, in three passes over four rows at a time.
 *
 * 1. A row's elements are dealt into 4k groups (k vectors of four lanes). The k-th largest of the groups' maxima is a
 *   bound that at least k elements reach, and few more (for random rows about 1.15 k).
 * 2. The elements that reach the bound are collected, in the order of their columns.
 * 3. Each of these few is placed by counting those that go before it.
 *
 * Rows with NaN, and rows in which very many elements reach the bound (ties), are scanned one element after the other.
 */
import { TopKWords } from '../generated/commands';
import { loadTail } from './simd';

export function topK(words: TopKWords, tile: i32, scratch: usize): void {
  const x = words.x;
  const values = words.values;
  const indices = words.indices;
  const rows = words.rows;
  const columns = words.columns;
  const k = words.k;
  const rowsPerTile = words.rowsPerTile;
  const rowBytes = (<usize>columns) << 2;
  const first = tile * rowsPerTile;
  const end = min(rows, first + rowsPerTile);

  const bounds = scratch;
  const candidates = scratch + 16 + ((<usize>k) << 4);
  for (let row = first; row < end; row += 4) {
    const from = x + <usize>row * rowBytes;
    const count = min(4, end - row);
    // Where fewer than four rows are left, the last stands in for the missing ones.
    const step = rowBytes;
    findBounds(
      from,
      from + step * <usize>min(1, count - 1),
      from + step * <usize>min(2, count - 1),
      from + step * <usize>min(3, count - 1),
      columns,
      k,
      bounds,
    );
    for (let i = 0; i < count; i++) {
      const bound = load<f32>(bounds + ((<usize>i) << 2));
      const at = from + <usize>i * rowBytes;
      const to = (<usize>(row + i) * <usize>k) << 2;
      const most = 4 * k + 16;
      const found = bound == bound ? collect(at, columns, bound, candidates, most) : most;
      let order = candidates;
      if (found < most) order = rank(at, candidates, found, most);
      else scan(at, columns, k, candidates + ((<usize>k) << 2), candidates);
      for (let j: usize = 0; j < (<usize>k) << 2; j += 4) {
        const index = load<u32>(order + j);
        store<u32>(indices + to + j, index);
        store<u32>(values + to + j, load<u32>(at + (index << 2)));
      }
    }
  }
}

/** Stores, for each of four rows, a number that at least k of its elements reach; NaN for a row that holds one. */
function findBounds(a: usize, b: usize, c: usize, d: usize, columns: i32, k: i32, bounds: usize): void {
  const lowest = f32x4.splat(-Infinity);
  const listEnd = bounds + 16 + ((<usize>k) << 4);
  for (let at = bounds + 16; at < listEnd; at += 16) v128.store(at, lowest);
  const vectorBytes = (<usize>(columns >> 2)) << 4;
  const stride = max<usize>(16, min<usize>(vectorBytes, (<usize>k) << 4));
  const rest = columns & 3;
  let orderedA = i32x4.splat(-1);
  let orderedB = orderedA;
  let orderedC = orderedA;
  let orderedD = orderedA;
  for (let group: usize = 0; group < stride; group += 16) {
    let maxA = lowest;
    let maxB = lowest;
    let maxC = lowest;
    let maxD = lowest;
    if (group == 0 && rest > 0) {
      maxA = loadTail(a + vectorBytes, rest, lowest);
      maxB = loadTail(b + vectorBytes, rest, lowest);
      maxC = loadTail(c + vectorBytes, rest, lowest);
      maxD = loadTail(d + vectorBytes, rest, lowest);
      orderedA = f32x4.eq(maxA, maxA);
      orderedB = f32x4.eq(maxB, maxB);
      orderedC = f32x4.eq(maxC, maxC);
      orderedD = f32x4.eq(maxD, maxD);
    }
    for (let at = group; at < vectorBytes; at += stride) {
      const xA = v128.load(a + at);
      const xB = v128.load(b + at);
      const xC = v128.load(c + at);
      const xD = v128.load(d + at);
      maxA = f32x4.pmax(maxA, xA);
      maxB = f32x4.pmax(maxB, xB);
      maxC = f32x4.pmax(maxC, xC);
      maxD = f32x4.pmax(maxD, xD);
      orderedA = v128.and(orderedA, f32x4.eq(xA, xA));
      orderedB = v128.and(orderedB, f32x4.eq(xB, xB));
      orderedC = v128.and(orderedC, f32x4.eq(xC, xC));
      orderedD = v128.and(orderedD, f32x4.eq(xD, xD));
    }
    // Rows become lanes, and the four maxima of each enter its descending list.
    const lowAB = v128.shuffle<i32>(maxA, maxB, 0, 4, 1, 5);
    const highAB = v128.shuffle<i32>(maxA, maxB, 2, 6, 3, 7);
    const lowCD = v128.shuffle<i32>(maxC, maxD, 0, 4, 1, 5);
    const highCD = v128.shuffle<i32>(maxC, maxD, 2, 6, 3, 7);
    let p = v128.shuffle<i32>(lowAB, lowCD, 0, 1, 4, 5);
    let q = v128.shuffle<i32>(lowAB, lowCD, 2, 3, 6, 7);
    let r = v128.shuffle<i32>(highAB, highCD, 0, 1, 4, 5);
    let s = v128.shuffle<i32>(highAB, highCD, 2, 3, 6, 7);
    for (let at = bounds + 16; at < listEnd; at += 16) {
      const best = v128.load(at);
      const best1 = f32x4.pmax(best, p);
      p = f32x4.pmin(best, p);
      const best2 = f32x4.pmax(best1, q);
      q = f32x4.pmin(best1, q);
      const best3 = f32x4.pmax(best2, r);
      r = f32x4.pmin(best2, r);
      v128.store(at, f32x4.pmax(best3, s));
      s = f32x4.pmin(best3, s);
    }
  }
  v128.store(bounds, v128.load(listEnd - 16));
  if (!i32x4.all_true(orderedA)) store<f32>(bounds, NaN);
  if (!i32x4.all_true(orderedB)) store<f32>(bounds, NaN, 4);
  if (!i32x4.all_true(orderedC)) store<f32>(bounds, NaN, 8);
  if (!i32x4.all_true(orderedD)) store<f32>(bounds, NaN, 12);
}

/** Stores the columns whose element reaches `bound`; returns their number, or `most` once there are that many. */
function collect(x: usize, columns: i32, bound: f32, candidates: usize, most: i32): i32 {
  const bounds = f32x4.splat(bound);
  let found = 0;
  let column = 0;
  while (column < columns) {
    // One bit a column, for up to 64 columns.
    let reached: u64 = 0;
    const base = column;
    const end = min(columns, column + 64);
    for (; column + 16 <= end; column += 16) {
      const at = x + ((<usize>column) << 2);
      const bytes = i8x16.narrow_i16x8_s(
        i16x8.narrow_i32x4_s(f32x4.ge(v128.load(at), bounds), f32x4.ge(v128.load(at, 16), bounds)),
        i16x8.narrow_i32x4_s(f32x4.ge(v128.load(at, 32), bounds), f32x4.ge(v128.load(at, 48), bounds)),
      );
      reached |= (<u64>i8x16.bitmask(bytes)) << (column - base);
    }
    for (; column < end; column++) {
      reached |= (<u64>(load<f32>(x + ((<usize>column) << 2)) >= bound)) << (column - base);
    }
    if (found + <i32>popcnt(reached) >= most) return most;
    while (reached != 0) {
      store<i32>(candidates + ((<usize>found) << 2), base + <i32>ctz(reached));
      found++;
      reached &= reached - 1;
    }
  }
  return found;
}

/** Keys that order four floats (none NaN) as signed integers; both zeros get 0, all are above `i32.MIN_VALUE + 1`. */
@inline
function keysOf(x: v128): v128 {
  // Adding zero turns -0 into +0. Negative floats order backwards: their bits below the sign are flipped.
  const bits = f32x4.add(x, f32x4.splat(0));
  return v128.xor(bits, i32x4.shr_u(i32x4.shr_s(bits, 31), 1));
}

/** The same for one float; NaN gets the largest key. */
@inline
function keyOf(x: f32): i32 {
  if (x != x) return i32.MAX_VALUE;
  const bits = reinterpret<i32>(x + 0);
  return bits ^ ((bits >> 31) >>> 1);
}

/** Sorts `count` candidates (their columns) by descending element, equal ones as they stand; returns where. */
function rank(x: usize, candidates: usize, count: i32, most: i32): usize {
  const room = (<usize>most) << 2;
  const keys = candidates + room;
  const sorted = keys + room;
  const end = (<usize>count) << 2;
  const paddedEnd = (end + 15) & ~15;
  for (let i: usize = 0; i < end; i += 4) store<f32>(keys + i, load<f32>(x + (load<u32>(candidates + i) << 2)));
  for (let i: usize = 0; i < end; i += 16) v128.store(keys + i, keysOf(v128.load(keys + i)));
  // Smaller than any element, and still one above the smallest integer.
  for (let i = end; i < paddedEnd; i += 4) store<i32>(keys + i, i32.MIN_VALUE + 1);

  for (let i: usize = 0; i < end; i += 16) {
    const own = v128.load(keys + i);
    // Before an element go the greater, and those of the same key that stand before it: keys greater than its own less
    // one.
    const own1 = i32x4.sub(own, i32x4.splat(1));
    let places = i32x4.splat(0);
    let j: usize = 0;
    for (; j < i; j += 4) places = i32x4.sub(places, i32x4.gt_s(v128.load32_splat(keys + j), own1));
    const one = i32x4.sub(own, i32x4(0, 1, 1, 1));
    const two = i32x4.sub(own, i32x4(0, 0, 1, 1));
    const three = i32x4.sub(own, i32x4(0, 0, 0, 1));
    places = i32x4.sub(places, i32x4.gt_s(v128.load32_splat(keys + j), one));
    places = i32x4.sub(places, i32x4.gt_s(v128.load32_splat(keys + j, 4), two));
    places = i32x4.sub(places, i32x4.gt_s(v128.load32_splat(keys + j, 8), three));
    places = i32x4.sub(places, i32x4.gt_s(v128.load32_splat(keys + j, 12), own));
    for (j += 16; j < end; j += 4) places = i32x4.sub(places, i32x4.gt_s(v128.load32_splat(keys + j), own));
    places = i32x4.shl(places, 2);
    store<u32>(sorted + i32x4.extract_lane(places, 0), load<u32>(candidates + i));
    store<u32>(sorted + i32x4.extract_lane(places, 1), load<u32>(candidates + i, 4));
    store<u32>(sorted + i32x4.extract_lane(places, 2), load<u32>(candidates + i, 8));
    store<u32>(sorted + i32x4.extract_lane(places, 3), load<u32>(candidates + i, 12));
  }
  return sorted;
}

/** Writes the columns of the k largest, descending, by insertion; `best` has room for their keys. */
function scan(x: usize, columns: i32, k: i32, best: usize, sorted: usize): void {
  const last = (<usize>(k - 1)) << 2;
  for (let j: usize = 0; j <= last; j += 4) store<i32>(best + j, i32.MIN_VALUE);
  for (let column = 0; column < columns; column++) {
    const key = keyOf(load<f32>(x + ((<usize>column) << 2)));
    if (key <= load<i32>(best + last)) continue;
    let place = last;
    while (place > 0) {
      const before = load<i32>(best + place - 4);
      if (before >= key) break;
      store<i32>(best + place, before);
      store<i32>(sorted + place, load<i32>(sorted + place - 4));
      place -= 4;
    }
    store<i32>(best + place, key);
    store<i32>(sorted + place, column);
  }
}
