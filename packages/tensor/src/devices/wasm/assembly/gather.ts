/** Gathers of rows by index: copied, summed with weights, or multiplied with a row. */
import {
  GATHER_DOT,
  GATHER_ROWS,
  GATHER_SUM,
  GatherDotWords,
  GatherRowsWords,
  GatherSumWords,
} from '../generated/commands';
import { checkIndex } from './faults';
import { loadTail, madd, sumLanes } from './simd';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case GATHER_ROWS:
      gatherRows(changetype<GatherRowsWords>(args), tile);
      break;
    case GATHER_SUM:
      gatherSum(changetype<GatherSumWords>(args), tile);
      break;
    case GATHER_DOT:
      gatherDot(changetype<GatherDotWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

function gatherRows(words: GatherRowsWords, tile: i32): void {
  const table = words.table;
  const indices = words.indices;
  const weights = words.weights;
  const columns = words.columns;
  const divisor = words.divisor;
  const rowsPerTile = words.rowsPerTile;
  const height = words.height;
  const rowBytes = (<usize>columns) << 2;
  const end = min(words.rows, (tile + 1) * rowsPerTile);
  let to = words.out + <usize>(tile * rowsPerTile) * rowBytes;
  for (let row = tile * rowsPerTile; row < end; row++) {
    const index = load<u32>(indices + ((<usize>row) << 2));
    const chosen = divisor == 1 ? index : index / divisor;
    checkIndex(chosen, height);
    const from = table + chosen * rowBytes;
    if (weights == 0) copyRow(from, to, columns);
    else scaleRow(from, to, columns, load<f32>(weights + (index << 2)));
    to += rowBytes;
  }
}

function copyRow(from: usize, to: usize, columns: i32): void {
  let column = 0;
  for (; column + 16 <= columns; column += 16) {
    const a = v128.load(from);
    const b = v128.load(from, 16);
    const c = v128.load(from, 32);
    const d = v128.load(from, 48);
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
    from += 64;
    to += 64;
  }
  for (; column < columns; column++) {
    store<u32>(to, load<u32>(from));
    from += 4;
    to += 4;
  }
}

function scaleRow(from: usize, to: usize, columns: i32, weight: f32): void {
  const weights = f32x4.splat(weight);
  let column = 0;
  for (; column + 16 <= columns; column += 16) {
    const a = f32x4.mul(v128.load(from), weights);
    const b = f32x4.mul(v128.load(from, 16), weights);
    const c = f32x4.mul(v128.load(from, 32), weights);
    const d = f32x4.mul(v128.load(from, 48), weights);
    v128.store(to, a);
    v128.store(to, b, 16);
    v128.store(to, c, 32);
    v128.store(to, d, 48);
    from += 64;
    to += 64;
  }
  for (; column < columns; column++) {
    store<f32>(to, load<f32>(from) * weight);
    from += 4;
    to += 4;
  }
}

function gatherSum(words: GatherSumWords, tile: i32): void {
  const x = words.x;
  const positions = words.positions;
  const weights = words.weights;
  const k = words.k;
  const columns = words.columns;
  const rowsPerTile = words.rowsPerTile;
  const height = words.height;
  const rowBytes = (<usize>columns) << 2;
  const end = min(words.rows, (tile + 1) * rowsPerTile);
  let to = words.out + <usize>(tile * rowsPerTile) * rowBytes;
  for (let row = tile * rowsPerTile; row < end; row++) {
    const list = (<usize>row * <usize>k) << 2;
    const at = positions + list;
    const weight: usize = weights == 0 ? 0 : weights + list;
    for (let j: usize = 0; j < <usize>k; j++) checkIndex(load<u32>(at + (j << 2)), height);
    let column = 0;
    for (; column + 16 <= columns; column += 16) {
      let a = f32x4.splat(0);
      let b = a;
      let c = a;
      let d = a;
      for (let j: usize = 0; j < <usize>k; j++) {
        const from = x + load<usize>(at + (j << 2)) * rowBytes + ((<usize>column) << 2);
        if (weight == 0) {
          a = f32x4.add(a, v128.load(from));
          b = f32x4.add(b, v128.load(from, 16));
          c = f32x4.add(c, v128.load(from, 32));
          d = f32x4.add(d, v128.load(from, 48));
        } else {
          const w = v128.load32_splat(weight + (j << 2));
          a = madd(w, v128.load(from), a);
          b = madd(w, v128.load(from, 16), b);
          c = madd(w, v128.load(from, 32), c);
          d = madd(w, v128.load(from, 48), d);
        }
      }
      v128.store(to, a);
      v128.store(to, b, 16);
      v128.store(to, c, 32);
      v128.store(to, d, 48);
      to += 64;
    }
    for (; column < columns; column++) {
      let sum: f32 = 0;
      for (let j: usize = 0; j < <usize>k; j++) {
        const term = load<f32>(x + load<usize>(at + (j << 2)) * rowBytes + ((<usize>column) << 2));
        sum += weight == 0 ? term : term * load<f32>(weight + (j << 2));
      }
      store<f32>(to, sum);
      to += 4;
    }
  }
}

function gatherDot(words: GatherDotWords, tile: i32): void {
  const x = words.x;
  const positions = words.positions;
  const out = words.out;
  const k = words.k;
  const columns = words.columns;
  const rowsPerTile = words.rowsPerTile;
  const height = words.height;
  const rowBytes = (<usize>columns) << 2;
  const end = min(words.rows, (tile + 1) * rowsPerTile);
  for (let row = tile * rowsPerTile; row < end; row++) {
    const a = words.a + <usize>row * rowBytes;
    let place = (<usize>row * <usize>k) << 2;
    for (let j = 0; j < k; j++) {
      const position = load<u32>(positions + place);
      checkIndex(position, height);
      store<f32>(out + place, dot(a, x + position * rowBytes, columns));
      place += 4;
    }
  }
}

function dot(a: usize, b: usize, columns: i32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let column = 0;
  for (; column + 16 <= columns; column += 16) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1);
    s2 = madd(v128.load(a, 32), v128.load(b, 32), s2);
    s3 = madd(v128.load(a, 48), v128.load(b, 48), s3);
    a += 64;
    b += 64;
  }
  for (; column + 4 <= columns; column += 4) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    a += 16;
    b += 16;
  }
  const rest = columns - column;
  if (rest > 0) s1 = madd(loadTail(a, rest, f32x4.splat(0)), loadTail(b, rest, f32x4.splat(0)), s1);
  return sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}
