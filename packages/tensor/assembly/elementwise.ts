/** Elementwise kernels: those over flat buffers here, the others in unary.ts, binary.ts and copy.ts. */
import {
  AFFINE,
  BINARY,
  CAST,
  COPY_ROWS,
  COPY_TRANSPOSED,
  FILL,
  UNARY,
  UNARY_BACKWARD,
} from '../src/devices/wasm/opcodes';
import { binary } from './binary';
import { chunkCount, chunkOffset } from './chunks';
import { copyRows, copyTransposed } from './copy';
import { loadTail, madd, storeTail } from './simd';
import { unary, unaryBackward } from './unary';

export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  switch (kernel) {
    case FILL & 255:
      fill(args, tile);
      break;
    case AFFINE & 255:
      affine(args, tile);
      break;
    case UNARY & 255:
      unary(args, tile);
      break;
    case UNARY_BACKWARD & 255:
      unaryBackward(args, tile);
      break;
    case BINARY & 255:
      binary(args, tile, scratch);
      break;
    case CAST & 255:
      cast(args, tile);
      break;
    case COPY_ROWS & 255:
      copyRows(args, tile, scratch);
      break;
    case COPY_TRANSPOSED & 255:
      copyTransposed(args, tile, scratch);
      break;
    default:
      unreachable();
  }
}

function fill(args: usize, tile: i32): void {
  const out = load<usize>(args, 8) + chunkOffset(args, tile);
  const count = chunkCount(args, tile);
  const value = v128.load32_splat(args + 12);
  const end = out + ((<usize>count >> 2) << 4);
  let p = out;
  for (; p < end; p += 16) v128.store(p, value);
  if (count & 3) storeTail(p, value, count & 3);
}

function affine(args: usize, tile: i32): void {
  const offset = chunkOffset(args, tile);
  const x = load<usize>(args, 8) + offset;
  const out = load<usize>(args, 12) + offset;
  const scale = v128.load32_splat(args + 16);
  const shift = v128.load32_splat(args + 20);
  const count = chunkCount(args, tile);
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, madd(v128.load(x + i), scale, shift));
  if (count & 3) storeTail(out + bytes, madd(loadTail(x + bytes, count & 3, shift), scale, shift), count & 3);
}

/** The word behind the addresses is 1 for f32 to i32, 0 for i32 to f32. */
function cast(args: usize, tile: i32): void {
  const offset = chunkOffset(args, tile);
  const x = load<usize>(args, 8) + offset;
  const out = load<usize>(args, 12) + offset;
  const count = chunkCount(args, tile);
  const bytes = (<usize>count >> 2) << 4;
  const rest = count & 3;
  const zero = i32x4.splat(0);
  if (load<i32>(args, 16)) {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, i32x4.trunc_sat_f32x4_s(v128.load(x + i)));
    if (rest) storeTail(out + bytes, i32x4.trunc_sat_f32x4_s(loadTail(x + bytes, rest, zero)), rest);
  } else {
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.convert_i32x4_s(v128.load(x + i)));
    if (rest) storeTail(out + bytes, f32x4.convert_i32x4_s(loadTail(x + bytes, rest, zero)), rest);
  }
}
