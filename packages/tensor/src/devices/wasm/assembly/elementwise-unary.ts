/**
 * Functions of one argument and their derivatives. A function is a class, so that loops can be generic over it; the
 * classes are never instantiated. `value` is the function, `gradient` the gradient times the derivative, taken from x
 * or from y = value(x).
 */
import {
  OP_ABS,
  OP_EXP,
  OP_LOG,
  OP_NEGATE,
  OP_RECIPROCAL,
  OP_RELU,
  OP_RSQRT,
  OP_SIGMOID,
  OP_SIGN,
  OP_SILU,
  OP_SOFTPLUS,
  OP_SQRT,
  OP_SQUARE,
  OP_TANH,
} from '../constants';
import { UnaryBackwardWords, UnaryWords } from '../generated/commands';
import { exp4, log4, sigmoid4, silu4, softplus4, tanh4 } from './math';
import { loadTail, madd, storeTail } from './simd';
import { chunkCount, chunkOffset } from './tiles';

/** -1, 0 or 1; NaN for NaN. */
@inline
function sign4(x: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const value = f32x4.sub(v128.and(f32x4.gt(x, zero), one), v128.and(f32x4.lt(x, zero), one));
  return v128.bitselect(value, x, f32x4.eq(x, x));
}

class Negate {
  @inline
  value(x: v128): v128 {
    return f32x4.neg(x);
  }
  @inline
  gradient(x: v128, gradient: v128): v128 {
    return f32x4.neg(gradient);
  }
}

class Abs {
  @inline
  value(x: v128): v128 {
    return f32x4.abs(x);
  }
  @inline
  gradient(x: v128, gradient: v128): v128 {
    return f32x4.mul(gradient, sign4(x));
  }
}

class Sign {
  @inline
  value(x: v128): v128 {
    return sign4(x);
  }
  @inline
  gradient(x: v128, gradient: v128): v128 {
    return f32x4.mul(gradient, v128.bitselect(f32x4.splat(0), x, f32x4.eq(x, x)));
  }
}

class Reciprocal {
  @inline
  value(x: v128): v128 {
    return f32x4.div(f32x4.splat(1), x);
  }
  @inline
  gradient(y: v128, gradient: v128): v128 {
    return f32x4.neg(f32x4.mul(gradient, f32x4.mul(y, y)));
  }
}

class Square {
  @inline
  value(x: v128): v128 {
    return f32x4.mul(x, x);
  }
  @inline
  gradient(x: v128, gradient: v128): v128 {
    return f32x4.mul(gradient, f32x4.add(x, x));
  }
}

class Sqrt {
  @inline
  value(x: v128): v128 {
    return f32x4.sqrt(x);
  }
  @inline
  gradient(y: v128, gradient: v128): v128 {
    return f32x4.div(f32x4.mul(gradient, f32x4.splat(0.5)), y);
  }
}

class Rsqrt {
  @inline
  value(x: v128): v128 {
    return f32x4.div(f32x4.splat(1), f32x4.sqrt(x));
  }
  @inline
  gradient(y: v128, gradient: v128): v128 {
    return f32x4.mul(f32x4.mul(f32x4.mul(gradient, f32x4.splat(-0.5)), y), f32x4.mul(y, y));
  }
}

class Exp {
  @inline
  value(x: v128): v128 {
    return exp4(x);
  }
  @inline
  gradient(y: v128, gradient: v128): v128 {
    return f32x4.mul(gradient, y);
  }
}

class Log {
  @inline
  value(x: v128): v128 {
    return log4(x);
  }
  @inline
  gradient(x: v128, gradient: v128): v128 {
    return f32x4.div(gradient, x);
  }
}

class Sigmoid {
  @inline
  value(x: v128): v128 {
    return sigmoid4(x);
  }
  @inline
  gradient(y: v128, gradient: v128): v128 {
    return f32x4.mul(gradient, f32x4.mul(y, f32x4.sub(f32x4.splat(1), y)));
  }
}

class Silu {
  @inline
  value(x: v128): v128 {
    return silu4(x);
  }
  @inline
  gradient(x: v128, gradient: v128): v128 {
    const s = sigmoid4(x);
    return f32x4.mul(gradient, f32x4.mul(s, madd(x, f32x4.sub(f32x4.splat(1), s), f32x4.splat(1))));
  }
}

class Relu {
  @inline
  value(x: v128): v128 {
    return f32x4.pmax(x, f32x4.splat(0));
  }
  @inline
  gradient(x: v128, gradient: v128): v128 {
    const step = v128.and(f32x4.gt(x, f32x4.splat(0)), f32x4.splat(1));
    return f32x4.mul(gradient, v128.bitselect(step, x, f32x4.eq(x, x)));
  }
}

class Tanh {
  @inline
  value(x: v128): v128 {
    return tanh4(x);
  }
  @inline
  gradient(y: v128, gradient: v128): v128 {
    const one = f32x4.splat(1);
    return f32x4.mul(gradient, f32x4.mul(f32x4.sub(one, y), f32x4.add(one, y)));
  }
}

class Softplus {
  @inline
  value(x: v128): v128 {
    return softplus4(x);
  }
  @inline
  gradient(x: v128, gradient: v128): v128 {
    return f32x4.mul(gradient, sigmoid4(x));
  }
}

/** `out = F(x)`. */
@inline
function valueTile<F>(words: UnaryWords, tile: i32): void {
  const offset = chunkOffset(words, tile);
  const x = words.x + offset;
  const out = words.out + offset;
  const count = chunkCount(words, tile);
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, changetype<F>(0).value(v128.load(x + i)));
  const rest = count & 3;
  if (rest) storeTail(out + bytes, changetype<F>(0).value(loadTail(x + bytes, rest, f32x4.splat(1))), rest);
}

export function unary(words: UnaryWords, tile: i32): void {
  switch (words.op) {
    case OP_NEGATE:
      valueTile<Negate>(words, tile);
      break;
    case OP_ABS:
      valueTile<Abs>(words, tile);
      break;
    case OP_SIGN:
      valueTile<Sign>(words, tile);
      break;
    case OP_RECIPROCAL:
      valueTile<Reciprocal>(words, tile);
      break;
    case OP_SQUARE:
      valueTile<Square>(words, tile);
      break;
    case OP_SQRT:
      valueTile<Sqrt>(words, tile);
      break;
    case OP_RSQRT:
      valueTile<Rsqrt>(words, tile);
      break;
    case OP_EXP:
      valueTile<Exp>(words, tile);
      break;
    case OP_LOG:
      valueTile<Log>(words, tile);
      break;
    case OP_SIGMOID:
      valueTile<Sigmoid>(words, tile);
      break;
    case OP_SILU:
      valueTile<Silu>(words, tile);
      break;
    case OP_RELU:
      valueTile<Relu>(words, tile);
      break;
    case OP_TANH:
      valueTile<Tanh>(words, tile);
      break;
    case OP_SOFTPLUS:
      valueTile<Softplus>(words, tile);
      break;
    default:
      unreachable();
  }
}

/** `out = gradient * F'(x)`, with F' taken from x or y as DERIVATIVE_FROM says (devices/kernels/elementwise.ts). */
@inline
function gradientTile<F>(words: UnaryBackwardWords, tile: i32): void {
  const offset = chunkOffset(words, tile);
  const v = words.input + offset;
  const gradient = words.gradient + offset;
  const out = words.out + offset;
  const count = chunkCount(words, tile);
  const bytes = (<usize>count >> 2) << 4;
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(out + i, changetype<F>(0).gradient(v128.load(v + i), v128.load(gradient + i)));
  }
  const rest = count & 3;
  if (rest) {
    const one = f32x4.splat(1);
    const value = changetype<F>(0).gradient(loadTail(v + bytes, rest, one), loadTail(gradient + bytes, rest, one));
    storeTail(out + bytes, value, rest);
  }
}

export function unaryBackward(words: UnaryBackwardWords, tile: i32): void {
  switch (words.op) {
    case OP_NEGATE:
      gradientTile<Negate>(words, tile);
      break;
    case OP_ABS:
      gradientTile<Abs>(words, tile);
      break;
    case OP_SIGN:
      gradientTile<Sign>(words, tile);
      break;
    case OP_RECIPROCAL:
      gradientTile<Reciprocal>(words, tile);
      break;
    case OP_SQUARE:
      gradientTile<Square>(words, tile);
      break;
    case OP_SQRT:
      gradientTile<Sqrt>(words, tile);
      break;
    case OP_RSQRT:
      gradientTile<Rsqrt>(words, tile);
      break;
    case OP_EXP:
      gradientTile<Exp>(words, tile);
      break;
    case OP_LOG:
      gradientTile<Log>(words, tile);
      break;
    case OP_SIGMOID:
      gradientTile<Sigmoid>(words, tile);
      break;
    case OP_SILU:
      gradientTile<Silu>(words, tile);
      break;
    case OP_RELU:
      gradientTile<Relu>(words, tile);
      break;
    case OP_TANH:
      gradientTile<Tanh>(words, tile);
      break;
    case OP_SOFTPLUS:
      gradientTile<Softplus>(words, tile);
      break;
    default:
      unreachable();
  }
}
