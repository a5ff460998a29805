/**
 * Functions of two arguments over boxes with broadcasting. A function is a class, so that loops can be generic over it;
 * the classes are never instantiated.
 */
import {
  OP_ADD,
  OP_DIVIDE,
  OP_EQUAL,
  OP_GREATER,
  OP_MAXIMUM,
  OP_MINIMUM,
  OP_MULTIPLY,
  OP_SUBTRACT,
} from '../constants';
import { BinaryWords } from '../generated/commands';
import { storeTail } from './simd';
import { boxColumn, boxColumns, boxRow, boxRows, startWalk, stepWalk } from './tiles';

class Add {
  @inline
  value(a: v128, b: v128): v128 {
    return f32x4.add(a, b);
  }
}

class Subtract {
  @inline
  value(a: v128, b: v128): v128 {
    return f32x4.sub(a, b);
  }
}

class Multiply {
  @inline
  value(a: v128, b: v128): v128 {
    return f32x4.mul(a, b);
  }
}

class Divide {
  @inline
  value(a: v128, b: v128): v128 {
    return f32x4.div(a, b);
  }
}

class Maximum {
  @inline
  value(a: v128, b: v128): v128 {
    return f32x4.max(a, b);
  }
}

class Minimum {
  @inline
  value(a: v128, b: v128): v128 {
    return f32x4.min(a, b);
  }
}

class Greater {
  @inline
  value(a: v128, b: v128): v128 {
    return v128.and(f32x4.gt(a, b), f32x4.splat(1));
  }
}

class Equal {
  @inline
  value(a: v128, b: v128): v128 {
    return v128.and(f32x4.eq(a, b), f32x4.splat(1));
  }
}

/** `count` (1 to 4) numbers that lie `stride` bytes apart. */
@inline
function gather4(address: usize, stride: usize, count: i32): v128 {
  let v = v128.load32_splat(address);
  if (count > 1) v = v128.load_lane<f32>(address + stride, v, 1);
  if (count > 2) v = v128.load_lane<f32>(address + 2 * stride, v, 2);
  if (count > 3) v = v128.load_lane<f32>(address + 3 * stride, v, 3);
  return v;
}

/** One row of `F`; strides in elements, of which 0 and 1 have loops of their own. */
@inline
function binaryRow<F>(a: usize, b: usize, out: usize, count: i32, aStride: i32, bStride: i32): void {
  const bytes = (<usize>count >> 2) << 4;
  const rest = count & 3;
  if (aStride == 1 && bStride == 1) {
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, changetype<F>(0).value(v128.load(a + i), v128.load(b + i)));
    }
  } else if (aStride == 1 && bStride == 0) {
    const second = v128.load32_splat(b);
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, changetype<F>(0).value(v128.load(a + i), second));
  } else if (aStride == 0 && bStride == 1) {
    const first = v128.load32_splat(a);
    for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, changetype<F>(0).value(first, v128.load(b + i)));
  } else {
    const aStep = <usize>aStride << 2;
    const bStep = <usize>bStride << 2;
    let first = a;
    let second = b;
    for (let i: usize = 0; i < bytes; i += 16) {
      v128.store(out + i, changetype<F>(0).value(gather4(first, aStep, 4), gather4(second, bStep, 4)));
      first += 4 * aStep;
      second += 4 * bStep;
    }
  }
  if (rest) {
    const done = <usize>(count - rest);
    const aStep = <usize>aStride << 2;
    const bStep = <usize>bStride << 2;
    const first = gather4(a + done * aStep, aStep, rest);
    const second = gather4(b + done * bStep, bStep, rest);
    storeTail(out + bytes, changetype<F>(0).value(first, second), rest);
  }
}

@inline
function binaryTile<F>(words: BinaryWords, tile: i32, walk: usize): void {
  const row = boxRow(words, tile);
  const column = boxColumn(words, tile);
  const rows = boxRows(words, row);
  const columns = boxColumns(words, column);
  const aStride = words.aStride;
  const bStride = words.bStride;
  const a = words.a + (<usize>(column * aStride) << 2);
  const b = words.b + (<usize>(column * bStride) << 2);
  const inner = <usize>words.inner << 2;
  let out = words.out + <usize>row * inner + (<usize>column << 2);
  const axes = changetype<usize>(words) + offsetof<BinaryWords>('axes');
  startWalk(axes, row, walk);
  for (let r = 0; r < rows; r++) {
    binaryRow<F>(a + load<usize>(walk), b + load<usize>(walk, 4), out, columns, aStride, bStride);
    out += inner;
    stepWalk(axes, walk);
  }
}

export function binary(words: BinaryWords, tile: i32, scratch: usize): void {
  switch (words.op) {
    case OP_ADD:
      binaryTile<Add>(words, tile, scratch);
      break;
    case OP_SUBTRACT:
      binaryTile<Subtract>(words, tile, scratch);
      break;
    case OP_MULTIPLY:
      binaryTile<Multiply>(words, tile, scratch);
      break;
    case OP_DIVIDE:
      binaryTile<Divide>(words, tile, scratch);
      break;
    case OP_MAXIMUM:
      binaryTile<Maximum>(words, tile, scratch);
      break;
    case OP_MINIMUM:
      binaryTile<Minimum>(words, tile, scratch);
      break;
    case OP_GREATER:
      binaryTile<Greater>(words, tile, scratch);
      break;
    case OP_EQUAL:
      binaryTile<Equal>(words, tile, scratch);
      break;
    default:
      unreachable();
  }
}
