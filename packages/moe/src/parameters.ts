/**
 * Parameters as plain descriptions: a module says which tensors it needs before any memory exists, so that sizes can be counted and checkpoints
 * checked without a device. Values come from a stream of random numbers named by the parameter, so they do not depend on the order of creation.
 */
import {
  affine,
  type Device,
  full,
  parameter,
  randomNormal,
  type RandomKey,
  scope,
  type Shape,
  state,
  Tensor,
  assign,
} from '@lpr/tensor';
import { unitRows } from './unitRows.ts';

/** How a parameter starts. */
export type Initial =
  | { readonly kind: 'normal'; readonly std: number }
  | { readonly kind: 'constant'; readonly value: number }
  /** Rows spread evenly over the unit sphere: normal numbers, each row divided by its norm. */
  | { readonly kind: 'unitRows' }
  /** The start of the parameter of that name, which stands earlier in the list. */
  | { readonly kind: 'copy'; readonly of: string };

export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly initial: Initial;
  /** true: gets gradients; false: a buffer, state that a checkpoint holds and no optimiser touches. */
  readonly trained: boolean;
}

/** Linear, embedding and router weights of all three architectures start as N(0, 0.02). */
export const WEIGHT_STD = 0.02;

export function weightSpec(name: string, shape: Shape): ParameterSpec {
  return { name, shape, initial: { kind: 'normal', std: WEIGHT_STD }, trained: true };
}

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

/** Makes the tensors of `specs`, in their order; they live until they are disposed. */
export function createParameters(
  device: Device,
  specs: readonly ParameterSpec[],
  key: RandomKey,
): ReadonlyMap<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { name, shape, initial, trained } of specs) {
    scope(
      device,
      () => {
        const values = initialValues(device, shape, initial, key.fold(name), tensors);
        const target = trained ? parameter(values) : state(device, shape);
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
  return unitRows(randomNormal(device, shape, key));
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
