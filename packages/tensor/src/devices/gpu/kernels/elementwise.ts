/**
 * Elementwise kernels. NaN is looked for by its bits wherever it would not come through by itself: compilers of shading
 * languages may take it that no NaN exists, and their `max`, `exp` and `log` may give numbers for it. What WGSL leaves
 * open: whether denormal numbers count as zero, in arguments and results.
 */
import type { DeviceBuffer } from '../../device.ts';
import type { BinaryOp, ElementwiseKernels, UnaryOp } from '../../kernels/elementwise.ts';
import { stridesOf } from '../../../shape.ts';
import { indexOf, isNaNText, split } from '../axes.ts';
import type { Recorder } from '../recorder.ts';

/** An expression in x, which gives NaN for NaN. */
const passing = (expression: string): string => `(${isNaNText('x')} ? x : (${expression}))`;

const SIGMOID = passing('1 / (1 + Math.exp(-x))');

/** Expressions in x. The native tanh may overflow for large arguments, the native log(0) need not be infinite. */
const UNARY: Record<UnaryOp, string> = {
  negate: '-x',
  abs: 'Math.abs(x)',
  sign: passing('x > 0.0 ? 1.0 : (x < 0.0 ? -1.0 : x)'),
  reciprocal: '1 / x',
  square: 'x * x',
  sqrt: 'Math.sqrt(x)',
  rsqrt: '1 / Math.sqrt(x)',
  exp: passing('Math.exp(x)'),
  log: passing('x > 0.0 ? Math.log(x) : (x === 0.0 ? -1 / Math.abs(x) : Math.sqrt(x))'),
  sigmoid: SIGMOID,
  silu: `x * ${SIGMOID}`,
  relu: passing('x < 0.0 ? 0.0 : x'),
  tanh: passing('x > 15.0 ? 1.0 : (x < -15.0 ? -1.0 : Math.tanh(x))'),
  softplus: passing('(x < 0.0 ? 0.0 : x) + logOnePlus(Math.exp(-Math.abs(x)))'),
};

/** Derivatives: expressions in x or in `y = op(x)`, as DERIVATIVE_FROM says, or in neither. */
const DERIVATIVE: Record<UnaryOp, string> = {
  negate: '-1.0',
  abs: UNARY.sign,
  sign: passing('0.0'),
  reciprocal: '-(y * y)',
  square: '2 * x',
  sqrt: '0.5 / y',
  rsqrt: '-0.5 * y * y * y',
  exp: 'y',
  log: '1 / x',
  sigmoid: 'y * (1 - y)',
  silu: `${SIGMOID} * (1 + x * (1 - ${SIGMOID}))`,
  relu: passing('x > 0.0 ? 1.0 : 0.0'),
  tanh: '1 - y * y',
  softplus: SIGMOID,
};

/** Expressions in p and q. */
const BINARY: Record<BinaryOp, string> = {
  add: 'p + q',
  subtract: 'p - q',
  multiply: 'p * q',
  // A GPU may multiply by the reciprocal, which is no normal number for a large q: a quarter of it has one.
  divide: 'Math.abs(q) > 4e37 ? (p * 0.25) / (q * 0.25) : p / q',
  maximum: `${isNaNText('p')} ? p : (${isNaNText('q')} ? q : (p > q ? p : q))`,
  minimum: `${isNaNText('p')} ? p : (${isNaNText('q')} ? q : (p < q ? p : q))`,
  greater: 'p > q ? 1.0 : 0.0',
  equal: 'p === q ? 1.0 : 0.0',
};

export function elementwiseKernels(run: Recorder): ElementwiseKernels {
  return {
    fill({ out, value, integer }) {
      if (out.elements > 0) run.store(out, run.constant(out.elements, value), integer);
    },

    affine({ x, out, scale, shift }) {
      if (out.elements === 0) return;
      if (scale === 1 && shift === 0) run.store(out, run.value(x));
      else {
        const numbers = [scale, shift];
        run.define(out, 'affine', [{ buffer: x }], ([p], [by, plus]) => `${p!} * ${by!} + ${plus!}`, { numbers });
      }
    },

    unary({ op, x, out }) {
      if (out.elements > 0) run.define(out, op, [{ buffer: x }], ([p]) => withNames(UNARY[op], { x: p! }));
    },

    unaryBackward({ op, input, gradient, out }) {
      if (out.elements === 0) return;
      const derivative = DERIVATIVE[op];
      const isConstant = !/\b[xy]\b/.test(derivative);
      const operands = (isConstant ? [gradient] : [gradient, input]).map((buffer) => ({ buffer }));
      run.define(out, `derivative of ${op}`, operands, ([g, text]) => {
        return `${g!} * (${isConstant ? derivative : withNames(derivative, { x: text!, y: text! })})`;
      });
    },

    binary({ op, a, b, out, shape, aStrides, bStrides }) {
      if (out.elements === 0) return;
      const operands = [operand(a, shape, aStrides), operand(b, shape, bStrides)];
      const key = `${op} ${operands.map(({ key }) => key).join(' ')}`;
      run.define(out, key, operands, ([p, q]) => withNames(BINARY[op], { p: p!, q: q! }));
    },

    cast({ x, out, to }) {
      if (out.elements === 0) return;
      // Integers are kept as f32, so they become numbers by being called so.
      if (to === 'f32') run.store(out, run.value(x));
      else {
        const toward = ([p]: readonly string[]): string => `${p!} < 0.0 ? Math.ceil(${p!}) : Math.floor(${p!})`;
        run.define(out, 'truncate', [{ buffer: x }], toward, { integer: true });
      }
    },
  };
}

/** An operand that is read along strides from `offset` on, for results of `shape`. */
export function operand(
  buffer: DeviceBuffer,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): { buffer: DeviceBuffer; key: string; placeOf?: (place: string) => string } {
  const dense = stridesOf(shape);
  if (offset === 0 && shape.every((size, axis) => size === 1 || strides[axis] === dense[axis]))
    return { buffer, key: 'all' };
  return {
    buffer,
    key: `${shape.join()}:${strides.join()}:${offset}`,
    placeOf: (place) => indexOf(split(place, shape.toReversed()), strides.toReversed(), offset),
  };
}

/** The expression with variables replaced. */
function withNames(expression: string, names: Readonly<Record<string, string>>): string {
  return expression.replaceAll(/\b[xypq]\b/g, (name) => names[name] ?? name);
}
