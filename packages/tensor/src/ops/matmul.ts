/** Matrix products, plain and batched. */
import { record } from '../autograd.ts';
import { formatShape, sameShape, sizeOf } from '../shape.ts';
import { checkDType, deviceOf, Tensor } from '../tensor.ts';
import { add } from './elementwise.ts';
import { reshape } from './movement.ts';
import { sum } from './reduce.ts';

/** How the operands of `matmul` are stored. */
export interface MatmulOptions {
  /** Use the transpose of (the last two axes of) a. */
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/**
 * Matrix product over the last two axes: `[..., m, k] x [..., k, n] -> [..., m, n]`. The leading axes of a and b are
 * equal, or one of both is a single matrix that is used for all.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transposeA = false, transposeB = false } = options;
  checkDType('matmul', 'a', a, 'f32');
  checkDType('matmul', 'b', b, 'f32');
  const device = deviceOf('matmul', a, b);
  if (a.shape.length < 2 || b.shape.length < 2) {
    throw new RangeError(`matmul: needs matrices, got ${formatShape(a.shape)} and ${formatShape(b.shape)}`);
  }
  // Rows of all batches times one matrix are one product.
  if (a.shape.length > 2 && b.shape.length === 2 && !transposeA) {
    const flat = matmul(reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1)!]), b, options);
    return reshape(flat, [...a.shape.slice(0, -1), flat.shape[1]!]);
  }
  const [m, k] = lastTwo(a, transposeA);
  const [inner, n] = lastTwo(b, transposeB);
  const aBatch = a.shape.slice(0, -2);
  const bBatch = b.shape.slice(0, -2);
  if (k !== inner || !(aBatch.length === 0 || bBatch.length === 0 || sameShape(aBatch, bBatch))) {
    throw new RangeError(
      `matmul: ${formatShape(a.shape)}${transposeA ? '^T' : ''} times ${formatShape(b.shape)}${transposeB ? '^T' : ''}: ` +
        `the inner extents (${k} and ${inner}) and the leading axes must be equal`,
    );
  }
  const batchShape = aBatch.length > 0 ? aBatch : bBatch;
  const out = new Tensor(device, [...batchShape, m, n]);
  device.kernels.matmul({
    a: a.buffer,
    b: b.buffer,
    out: out.buffer,
    batch: sizeOf(batchShape),
    m,
    n,
    k,
    transposeA,
    transposeB,
    aBatchStride: aBatch.length > 0 ? m * k : 0,
    bBatchStride: bBatch.length > 0 ? k * n : 0,
    accumulate: false,
  });
  return record('matmul', out, [a, b], [a, b], (gradient, [x, y], [needsA, needsB]) => {
    const toShape = (full: Tensor, like: Tensor): Tensor =>
      full.shape.length === like.shape.length ? full : sum(reshape(full, [-1, ...like.shape]), 0);
    const gradA = (): Tensor =>
      transposeA
        ? matmul(y!, gradient, { transposeA: transposeB, transposeB: true })
        : matmul(gradient, y!, { transposeB: !transposeB });
    const gradB = (): Tensor =>
      transposeB
        ? matmul(gradient, x!, { transposeA: true, transposeB: transposeA })
        : matmul(x!, gradient, { transposeA: !transposeA });
    return [needsA ? toShape(gradA(), a) : null, needsB ? toShape(gradB(), b) : null];
  });
}

function lastTwo(x: Tensor, transposed: boolean): [number, number] {
  const rows = x.shape.at(-2)!;
  const columns = x.shape.at(-1)!;
  return transposed ? [columns, rows] : [rows, columns];
}

/** `x weight^T + bias`: x `[..., in]`, weight `[out, in]`, bias `[out]`. Gives `[..., out]`. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [out, inner] = weight.shape;
  const biasFits = bias === undefined || sameShape(bias.shape, [out!]);
  if (weight.shape.length !== 2 || x.shape.length < 2 || x.shape.at(-1) !== inner || !biasFits) {
    const ofBias = bias === undefined ? '' : `, bias ${formatShape(bias.shape)}`;
    throw new RangeError(
      `linear: x ${formatShape(x.shape)}, weight ${formatShape(weight.shape)}${ofBias}: expected x [..., in] of at least two axes, ` +
        'weight [out, in], bias [out]',
    );
  }
  const product = matmul(x, weight, { transposeB: true });
  return bias === undefined ? product : add(product, bias);
}
