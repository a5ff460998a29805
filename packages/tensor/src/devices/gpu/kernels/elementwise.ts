/**
 * Elementwise kernels. Conditions are written so that NaN falls to the branch that passes it on, since `max`, `min`, `exp` and `log` of
 * the shading languages may give numbers for NaN, and their `log(0)` need not be infinite.
 */
import type { DeviceBuffer } from '../../device.ts';
import type { BinaryOp, Kernels, UnaryOp } from '../../kernels.ts';
import { axes, indexOf, isNaNText } from '../axes.ts';
import type { Recorder } from '../recorder.ts';

const SIGMOID = '(x === x ? 1 / (1 + Math.exp(-x)) : x)';

/** Expressions in x. The native tanh may overflow for large arguments. */
const UNARY: Record<UnaryOp, string> = {
  negate: '-x',
  abs: 'Math.abs(x)',
  sign: 'x > 0.0 ? 1.0 : (x < 0.0 ? -1.0 : x)',
  reciprocal: '1 / x',
  square: 'x * x',
  sqrt: 'Math.sqrt(x)',
  rsqrt: '1 / Math.sqrt(x)',
  exp: 'x === x ? Math.exp(x) : x',
  log: 'x > 0.0 ? Math.log(x) : (x === 0.0 ? -1 / Math.abs(x) : Math.sqrt(x))',
  sigmoid: SIGMOID,
  silu: `x * ${SIGMOID}`,
  relu: 'x < 0.0 ? 0.0 : x',
  tanh: 'x > 15.0 ? 1.0 : (x < -15.0 ? -1.0 : Math.tanh(x))',
  softplus: '(x < 0.0 ? 0.0 : x) + logOnePlus(Math.exp(-Math.abs(x)))',
};

/** Derivatives: expressions in x and `y = op(x)`. Where x is NaN and y is not, x decides. */
const DERIVATIVE: Record<UnaryOp, string> = {
  negate: '-1.0',
  abs: UNARY.sign,
  sign: 'x === x ? 0.0 : x',
  reciprocal: '-(y * y)',
  square: '2 * x',
  sqrt: '0.5 / y',
  rsqrt: '-0.5 * y * y * y',
  exp: 'y',
  log: '1 / x',
  sigmoid: 'y * (1 - y)',
  silu: `${SIGMOID} * (1 + x * (1 - ${SIGMOID}))`,
  relu: 'x > 0.0 ? 1.0 : (x <= 0.0 ? 0.0 : x)',
  tanh: '1 - y * y',
  softplus: SIGMOID,
};

/** Expressions in p and q. */
const BINARY: Record<BinaryOp, string> = {
  add: 'p + q',
  subtract: 'p - q',
  multiply: 'p * q',
  divide: 'p / q',
  maximum: `(p > q || ${isNaNText('p')}) ? p : q`,
  minimum: `(p < q || ${isNaNText('p')}) ? p : q`,
  greater: 'p > q ? 1.0 : 0.0',
  equal: 'p === q ? 1.0 : 0.0',
};

type Elementwise = Pick<Kernels, 'fill' | 'affine' | 'unary' | 'unaryBackward' | 'binary' | 'cast'>;

export function elementwiseKernels(run: Recorder): Elementwise {
  /** `out[i]` = an expression of the elements i of the inputs. */
  const map = (
    key: string,
    out: DeviceBuffer,
    inputs: Readonly<Record<string, DeviceBuffer>>,
    expression: string,
    numbers: Readonly<Record<string, number>> = {},
    integer = false,
  ): void => {
    if (out.elements === 0) return;
    const names = Object.keys(inputs);
    const buffers = Object.fromEntries(names.map((name) => [`${name}s`, run.value(inputs[name]!)]));
    const body = (): string =>
      `${names.map((name) => `const ${name} = ${name}s[this.thread.x];`).join('\n')}\nreturn ${expression};`;
    run.map(out, { key, buffers, numbers, body }, integer);
  };

  return {
    fill({ out, value, integer }) {
      if (out.elements > 0) run.store(out, run.constant(out.elements, value), integer);
    },

    affine({ x, out, scale, shift }) {
      if (out.elements === 0) return;
      if (scale === 1 && shift === 0) run.store(out, run.value(x));
      else map('affine', out, { x }, 'x * scale + shift', { scale, shift });
    },

    unary({ op, x, out }) {
      map(`unary ${op}`, out, { x }, UNARY[op]);
    },

    unaryBackward({ op, x, y, gradient, out }) {
      const derivative = DERIVATIVE[op];
      const uses = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(derivative);
      const inputs = { ...(uses('x') && { x }), ...(uses('y') && { y }), gradient };
      map(`unaryBackward ${op}`, out, inputs, `gradient * (${derivative})`);
    },

    binary({ op, a, b, out, shape, aStrides, bStrides }) {
      if (out.elements === 0) return;
      const { extents, at } = axes(...shape.toReversed());
      const value = run.launch({
        key: `binary ${op} ${at.join()} ${aStrides.join()} ${bStrides.join()}`,
        extents,
        buffers: { a: run.value(a), b: run.value(b) },
        body: () => `const p = a[${indexOf(at, aStrides.toReversed())}];
          const q = b[${indexOf(at, bStrides.toReversed())}];
          return ${BINARY[op]};`,
      });
      run.store(out, value);
    },

    cast({ x, out, to }) {
      if (out.elements === 0) return;
      // Integers are kept as f32, so they become numbers by being called so.
      if (to === 'f32') run.store(out, run.value(x));
      else map('truncate', out, { x }, 'x < 0.0 ? Math.ceil(x) : Math.floor(x)', {}, true);
    },
  };
}
