/** Tensors as rows, for the ops that work on them. */
import { formatShape, sizeOf } from '../shape.ts';
import { checkDType, type Tensor } from '../tensor.ts';

/** Splits a shape into rows and the last axis. Throws for scalars. */
export function rowsOf(op: string, x: Tensor): { rows: number; columns: number } {
  checkDType(op, 'x', x, 'f32');
  if (x.shape.length === 0) throw new RangeError(`${op}: works along the last axis, got a scalar`);
  return { rows: sizeOf(x.shape.slice(0, -1)), columns: x.shape.at(-1)! };
}

/** The extents of a matrix. Throws for tensors of other ranks. */
export function matrixOf(op: string, name: string, x: Tensor): { rows: number; columns: number } {
  checkDType(op, name, x, 'f32');
  if (x.shape.length !== 2) throw new RangeError(`${op}: ${name} must be a matrix, got ${formatShape(x.shape)}`);
  return { rows: x.shape[0]!, columns: x.shape[1]! };
}

/** The extents of `[batch, sequence, heads, headDim]`. Throws for tensors of other ranks. */
export function headsOf(op: string, name: string, x: Tensor): [number, number, number, number] {
  checkDType(op, name, x, 'f32');
  if (x.shape.length !== 4) {
    throw new RangeError(`${op}: ${name} must be [batch, sequence, heads, headDim], got ${formatShape(x.shape)}`);
  }
  return x.shape as unknown as [number, number, number, number];
}
