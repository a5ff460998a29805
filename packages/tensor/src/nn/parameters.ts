/**
 * Parameters as plain descriptions: a module says which tensors it needs before any memory exists, so that sizes can be
 * counted and checkpoints checked without a device. Values come from a stream of random numbers named by the parameter,
 * so they do not depend on the order of creation.
 */
import { assign, full, parameter, state, tensor } from '../creation.ts';
import type { Device } from '../devices/device.ts';
import { affine, divide, sqrt, square, subtract } from '../ops/elementwise.ts';
import { matmul } from '../ops/matmul.ts';
import { slice } from '../ops/movement.ts';
import { randomNormal } from '../ops/random.ts';
import { sum } from '../ops/reduce.ts';
import { philox4x32, type RandomKey } from '../random.ts';
import { scope } from '../scope.ts';
import type { Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { unitRows } from './unit-rows.ts';

/** How a parameter starts. */
export type Initial =
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'constant'; readonly value: number }
  /** Rows spread evenly over the unit sphere: normal numbers, each row divided by its norm. */
  | { readonly kind: 'unitRows' }
  /** Orthogonal rows of this length (columns, where there are more rows than columns). */
  | { readonly kind: 'orthogonal'; readonly length: number }
  /**
   * Whole numbers from 0 to `values` - 1: those of a row are distinct, and in each column every number is as frequent
   * as any other (up to 1). A fixed assignment of rows to bins, as hashing tokens to experts takes.
   */
  | { readonly kind: 'balancedTable'; readonly values: number }
  /** The start of the parameter of that name, which stands earlier in the list. */
  | { readonly kind: 'copy'; readonly of: string };

/** A tensor that a module needs. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: Initial;
  /** true: gets gradients; false: a buffer, state that a checkpoint holds and no optimiser touches. */
  readonly trained: boolean;
  /** Of a tensor that several ranks hold together: this one's part of the first axis; all of it unless given. */
  readonly rows?: readonly [first: number, end: number];
}

/** Weights of linear maps, embeddings and routers start as N(0, 0.02). */
export const WEIGHT_STD = 0.02;

/** A trained tensor of N(0, WEIGHT_STD). */
export function weightSpec(name: string, shape: Shape): ParameterSpec {
  return { name, shape, initial: { kind: 'normal', std: WEIGHT_STD }, trained: true };
}

/** A trained tensor of one value. */
export function constantSpec(name: string, shape: Shape, value: number): ParameterSpec {
  return { name, shape, initial: { kind: 'constant', value }, trained: true };
}

/** The specs with a prefix before their names. */
export function withPrefix(prefix: string, specs: readonly ParameterSpec[]): ParameterSpec[] {
  return specs.map(({ initial, ...spec }) => ({
    ...spec,
    name: prefix + spec.name,
    initial: initial.kind === 'copy' ? { kind: 'copy', of: prefix + initial.of } : initial,
  }));
}

/** The shape that a tensor has here. */
export function heldShape({ shape, rows }: Pick<ParameterSpec, 'shape' | 'rows'>): Shape {
  return rows === undefined ? shape : shape.with(0, rows[1] - rows[0]);
}

/**
 * Makes the tensors of `specs`, in their order; they live until they are disposed. Of a tensor that several ranks hold
 * together, each makes all numbers in turn and keeps its own, so that it starts as on one.
 */
export function createParameters(
  device: Device,
  specs: readonly ParameterSpec[],
  key: RandomKey,
): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { name, shape, initial, trained, rows } of specs) {
    scope(
      device,
      () => {
        const all = initialValues(device, shape, initial, key.fold(name), tensors);
        const values = rows === undefined ? all : slice(all, 0, ...rows);
        const target = trained ? parameter(values) : state(device, values.shape);
        if (!trained) assign(target, values);
        tensors.set(name, target);
      },
      { gradients: false },
    );
  }
  return tensors;
}

function initialValues(
  device: Device,
  shape: Shape,
  initial: Initial,
  key: RandomKey,
  earlier: ReadonlyMap<string, Tensor>,
): Tensor {
  if (initial.kind === 'constant') return full(device, shape, initial.value);
  if (initial.kind === 'copy') return affine(tensorNamed(earlier, initial.of), 1);
  if (initial.kind === 'normal') return randomNormal(device, shape, key, initial.std);
  if (initial.kind === 'balancedTable') return tensor(device, balancedTable(shape, initial.values, key), shape);
  if (initial.kind === 'orthogonal') return affine(orthogonalRows(randomNormal(device, shape, key)), initial.length);
  return unitRows(randomNormal(device, shape, key));
}

/**
 * Newton-Schulz steps, each of which makes small singular values 1.5 times as large; 40 bring 1e-6 of the largest to 1.
 */
const ORTHOGONAL_STEPS = 40;

/** The matrix with orthonormal rows or columns that is nearest to x `[rows, columns]`: `X <- 1.5 X - 0.5 X X^T X`. */
function orthogonalRows(x: Tensor): Tensor {
  let rows = divide(x, sqrt(sum(square(x))));
  for (let step = 0; step < ORTHOGONAL_STEPS; step++) {
    const cube = matmul(matmul(rows, rows, { transposeB: true }), rows);
    rows = subtract(affine(rows, 1.5), affine(cube, 0.5));
  }
  return rows;
}

/**
 * Ids in random order deal the first column out; the others go round it, at distances that change from deal to deal.
 */
function balancedTable([rows = 0, columns = 0]: Shape, values: number, key: RandomKey): Float32Array {
  const drawn = Array.from({ length: rows }, (_, id) => philox4x32([id, 0, 0, 0], [key.low, key.high])[0]);
  const ids = drawn.map((_, id) => id).sort((a, b) => drawn[a]! - drawn[b]! || a - b);
  const table = new Float32Array(rows * columns);
  ids.forEach((id, place) => {
    const deal = Math.floor(place / values);
    for (let column = 0; column < columns; column++) {
      const step = column === 0 ? 0 : 1 + ((deal + column - 1) % (values - 1));
      table[id * columns + column] = (place + step) % values;
    }
  });
  return table;
}

/** The tensor of that name; throws when there is none, since a module and its specs must agree. */
export function tensorNamed(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const found = tensors.get(name);
  if (found === undefined) {
    throw new Error(`parameters: there is no tensor "${name}"; got ${[...tensors.keys()].join(', ') || 'none'}`);
  }
  return found;
}

/** The tensors whose names begin with `prefix`, under the rest of their names. */
export function below(tensors: ReadonlyMap<string, Tensor>, prefix: string): ReadonlyMap<string, Tensor> {
  return new Map(
    [...tensors].flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [])),
  );
}
