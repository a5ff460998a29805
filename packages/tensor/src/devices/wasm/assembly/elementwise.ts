/** Elementwise kernels over flat buffers; those of one and of two arguments are in files of their own. */
import {
  AFFINE,
  AffineWords,
  BINARY,
  BinaryWords,
  CAST,
  CastWords,
  FILL,
  FillWords,
  UNARY,
  UNARY_BACKWARD,
  UnaryBackwardWords,
  UnaryWords,
} from '../generated/commands';
import { binary } from './elementwise-binary';
import { unary, unaryBackward } from './elementwise-unary';
import { loadTail, madd, storeTail } from './simd';
import { chunkCount, chunkOffset } from './tiles';

/** Runs tile `tile` of a command of this family. */
export function run(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode) {
    case FILL:
      fill(changetype<FillWords>(args), tile);
      break;
    case AFFINE:
      affine(changetype<AffineWords>(args), tile);
      break;
    case UNARY:
      unary(changetype<UnaryWords>(args), tile);
      break;
    case UNARY_BACKWARD:
      unaryBackward(changetype<UnaryBackwardWords>(args), tile);
      break;
    case BINARY:
      binary(changetype<BinaryWords>(args), tile, scratch);
      break;
    case CAST:
      cast(changetype<CastWords>(args), tile);
      break;
    default:
      unreachable();
  }
}

function fill(words: FillWords, tile: i32): void {
  const out = words.out + chunkOffset(words, tile);
  const count = chunkCount(words, tile);
  const value = i32x4.splat(words.bits);
  const end = out + ((<usize>count >> 2) << 4);
  let p = out;
  for (; p < end; p += 16) v128.store(p, value);
  if (count & 3) storeTail(p, value, count & 3);
}

function affine(words: AffineWords, tile: i32): void {
  const offset = chunkOffset(words, tile);
  const x = words.x + offset;
  const out = words.out + offset;
  const scale = f32x4.splat(words.scale);
  const shift = f32x4.splat(words.shift);
  const count = chunkCount(words, tile);
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, madd(v128.load(x + i), scale, shift));
  if (count & 3) storeTail(out + bytes, madd(loadTail(x + bytes, count & 3, shift), scale, shift), count & 3);
}

/** From f32 to i32, or back. */
function cast(words: CastWords, tile: i32): void {
  const offset = chunkOffset(words, tile);
  const x = words.x + offset;
  const out = words.out + offset;
  const count = chunkCount(words, tile);
  const bytes = (<usize>count >> 2) << 4;
  const rest = count & 3;
  const zero = i32x4.splat(0);
  if (words.toInteger) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, i32x4.trunc_sat_f32x4_s(v128.load(x + i)));
    if (rest) storeTail(out + bytes, i32x4.trunc_sat_f32x4_s(loadTail(x + bytes, rest, zero)), rest);
  } else {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.convert_i32x4_s(v128.load(x + i)));
    if (rest) storeTail(out + bytes, f32x4.convert_i32x4_s(loadTail(x + bytes, rest, zero)), rest);
  }
}
