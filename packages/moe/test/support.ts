/** A device for the tests of this package, and matrices as plain arrays for their naive counterparts. */
import { createWasmDevice, type Device, RandomKey, type Tensor, tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import {
  createRouter,
  type Router,
  type RouterOptions,
  routerParameters,
  type RouterShape,
  type RoutingStatistics,
} from '../src/index.ts';

export type Matrix = readonly (readonly number[])[];

/** One for all files that a worker of the test runner goes through; it ends with the worker. */
export const device: Device = await createWasmDevice({ threads: 1 });

export const key: RandomKey = RandomKey.fromSeed(7);

export function toTensor(rows: Matrix): Tensor {
  return tensor(device, Float32Array.from(rows.flat()), [rows.length, rows[0]?.length ?? 0]);
}

export async function toMatrix(x: Tensor): Promise<number[][]> {
  const data = Array.from(await x.data());
  const columns = x.shape[1]!;
  return Array.from({ length: x.shape[0]! }, (_, i) => data.slice(i * columns, (i + 1) * columns));
}

/** Statistics of a step in which experts had this load. */
export function loadOf(counts: readonly number[], tokens = 0): RoutingStatistics {
  return { tokens, sums: { counts: tensor(device, Float32Array.from(counts)) }, rows: {} };
}

export const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((total, x, i) => total + x * b[i]!, 0);

export const unit = (row: readonly number[]): number[] => {
  const norm = Math.sqrt(dot(row, row));
  return row.map((x) => (norm === 0 ? 0 : x / norm));
};

export const softmax = (row: readonly number[]): number[] => {
  const largest = Math.max(...row);
  const exps = row.map((x) => Math.exp(x - largest));
  const total = exps.reduce((a, b) => a + b, 0);
  return exps.map((x) => x / total);
};

export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

export function makeRouter(options: RouterOptions, shape: RouterShape): Router {
  return createRouter(options, shape, createParameters(device, routerParameters(options, shape), key));
}
