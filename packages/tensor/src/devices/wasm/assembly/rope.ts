/** Rotary position embedding. */
import { ROPE, RopeWords } from '../generated/commands';
import { loadPart, madd, nmadd, storePart } from './simd';
import { endRow, firstRow } from './tiles';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case ROPE:
      rope(changetype<RopeWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

/** Rows are (batch, position): `heads` heads of `columns` channels. */
function rope(words: RopeWords, tile: i32): void {
  const begin = firstRow(words, tile);
  const end = endRow(words, begin);
  const columns = words.columns;
  const sequence = words.sequence;
  const heads = words.heads;
  const interleaved = words.interleaved != 0;
  const inverse = words.inverse != 0;
  const half = <usize>(columns >> 1) << 2;
  const headBytes = <usize>columns << 2;
  for (let row = begin; row < end; row++) {
    const position = <usize>(words.offset + (row % sequence));
    const cos = words.cos + position * half;
    const sin = words.sin + position * half;
    const offset = <usize>row * <usize>heads * headBytes;
    let x = words.x + offset;
    let out = words.out + offset;
    for (let head = 0; head < heads; head++) {
      if (!interleaved) rotateHalves(x, out, cos, sin, half, inverse);
      else if (!inverse) rotatePairs(x, out, cos, sin, half);
      else restorePairs(x, out, cos, sin, half);
      x += headBytes;
      out += headBytes;
    }
  }
}

/** (a, b) to (a cos - b sin, b cos + a sin), or with -sin; a and b are the two halves. */
@inline
function rotateHalves(x: usize, out: usize, cos: usize, sin: usize, half: usize, inverse: bool): void {
  const sign = inverse ? i32x4.splat(0x80000000) : i32x4.splat(0);
  const rest = <i32>((half >> 2) & 3);
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) rotate(x + i, out + i, cos + i, sin + i, half, sign, 0);
  if (rest) rotate(x + i, out + i, cos + i, sin + i, half, sign, rest);
}

@inline
function rotate(x: usize, out: usize, cos: usize, sin: usize, half: usize, sign: v128, rest: i32): void {
  const a = loadPart(x, rest);
  const b = loadPart(x + half, rest);
  const c = loadPart(cos, rest);
  const s = v128.xor(loadPart(sin, rest), sign);
  storePart(out, nmadd(b, s, f32x4.mul(a, c)), rest);
  storePart(out + half, madd(a, s, f32x4.mul(b, c)), rest);
}

/** Neighbours (a, b) are rotated and written to the two halves. */
@inline
function rotatePairs(x: usize, out: usize, cos: usize, sin: usize, half: usize): void {
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) {
    const low = v128.load(x + 2 * i);
    const high = v128.load(x + 2 * i, 16);
    const a = i32x4.shuffle(low, high, 0, 2, 4, 6);
    const b = i32x4.shuffle(low, high, 1, 3, 5, 7);
    const c = v128.load(cos + i);
    const s = v128.load(sin + i);
    v128.store(out + i, nmadd(b, s, f32x4.mul(a, c)));
    v128.store(out + half + i, madd(a, s, f32x4.mul(b, c)));
  }
  for (; i < half; i += 4) {
    const a = load<f32>(x + 2 * i);
    const b = load<f32>(x + 2 * i, 4);
    const c = load<f32>(cos + i);
    const s = load<f32>(sin + i);
    store<f32>(out + i, a * c - b * s);
    store<f32>(out + half + i, b * c + a * s);
  }
}

/** The transpose of `rotatePairs`: halves in, neighbours out. */
@inline
function restorePairs(x: usize, out: usize, cos: usize, sin: usize, half: usize): void {
  let i: usize = 0;
  for (; i + 16 <= half; i += 16) {
    const a = v128.load(x + i);
    const b = v128.load(x + half + i);
    const c = v128.load(cos + i);
    const s = v128.load(sin + i);
    const first = madd(b, s, f32x4.mul(a, c));
    const second = nmadd(a, s, f32x4.mul(b, c));
    v128.store(out + 2 * i, i32x4.shuffle(first, second, 0, 4, 1, 5));
    v128.store(out + 2 * i, i32x4.shuffle(first, second, 2, 6, 3, 7), 16);
  }
  for (; i < half; i += 4) {
    const a = load<f32>(x + i);
    const b = load<f32>(x + half + i);
    const c = load<f32>(cos + i);
    const s = load<f32>(sin + i);
    store<f32>(out + 2 * i, a * c + b * s);
    store<f32>(out + 2 * i, b * c - a * s, 4);
  }
}
