/** Parameters as descriptions: what they start with, and how they are found by name. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward } from '../src/autograd.ts';
import { parameter, tensor } from '../src/creation.ts';
import { createWasmDevice, type WasmDevice } from '../src/devices/wasm/index.ts';
import {
  below,
  constantSpec,
  createParameters,
  type ParameterSpec,
  tensorNamed,
  unitRows,
  weightSpec,
  withPrefix,
} from '../src/nn/index.ts';
import { sum } from '../src/ops/reduce.ts';
import { RandomKey } from '../src/random.ts';
import { scope } from '../src/scope.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 0 });
});
afterAll(async () => await device.dispose());

const key = RandomKey.fromSeed(3);
/** The numbers of each parameter, by name. */
async function valuesOf(specs: readonly ParameterSpec[]): Promise<Map<string, number[]>> {
  const tensors = createParameters(device, specs, key);
  const values = new Map<string, number[]>();
  for (const [name, each] of tensors) {
    values.set(name, Array.from(await each.data()));
    each.dispose();
  }
  expect(device.memory.liveBuffers).toBe(0);
  return values;
}
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((total, x, i) => total + x * b[i]!, 0);
const rowsOf = (numbers: readonly number[], columns: number): number[][] =>
  Array.from({ length: numbers.length / columns }, (_, row) => numbers.slice(row * columns, (row + 1) * columns));

describe('createParameters', () => {
  it('draws each from a stream of its name, in whatever order they come', async () => {
    const specs = [weightSpec('a', [20, 30]), weightSpec('b', [20, 30]), constantSpec('c', [3], 2)];
    const values = await valuesOf(specs);
    expect(await valuesOf(specs.toReversed())).toEqual(new Map([...values].toReversed()));
    expect(values.get('a')).not.toEqual(values.get('b'));
    expect(values.get('c')).toEqual([2, 2, 2]);
    const drawn = values.get('a')!;
    expect(Math.sqrt(dot(drawn, drawn) / drawn.length)).toBeCloseTo(0.02, 2);
  });

  it('makes what is trained a leaf, and a buffer of what is not', () => {
    const buffer = { ...constantSpec('buffer', [2], 0), trained: false };
    const tensors = createParameters(device, [weightSpec('weight', [2]), buffer], key);
    expect(tensorNamed(tensors, 'weight').requiresGrad).toBe(true);
    expect(tensorNamed(tensors, 'buffer').requiresGrad).toBe(false);
    for (const each of tensors.values()) each.dispose();
  });

  it('starts rows on the sphere, orthogonal to each other, or as a copy', async () => {
    const specs: ParameterSpec[] = [
      { name: 'sphere', shape: [5, 8], initial: { kind: 'unitRows' }, trained: true },
      { name: 'apart', shape: [4, 6], initial: { kind: 'orthogonal', length: 3 }, trained: true },
      { name: 'again', shape: [4, 6], initial: { kind: 'copy', of: 'apart' }, trained: true },
    ];
    const values = await valuesOf(specs);
    for (const row of rowsOf(values.get('sphere')!, 8)) expect(dot(row, row)).toBeCloseTo(1, 5);
    const apart = rowsOf(values.get('apart')!, 6);
    for (const [i, a] of apart.entries())
      for (const [j, b] of apart.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 9 : 0, 3);
    expect(values.get('again')).toEqual(values.get('apart'));
    expect(await valuesOf(withPrefix('layer.', specs))).toHaveProperty('size', 3);
  });

  it('starts a balanced table with distinct numbers in a row and equal counts in a column', async () => {
    const [rows, columns, bins] = [24, 3, 6];
    const initial = { kind: 'balancedTable', values: bins } as const;
    const values = await valuesOf([{ name: 'table', shape: [rows, columns], initial, trained: false }]);
    const table = rowsOf(values.get('table')!, columns);
    for (const row of table) expect(new Set(row).size).toBe(columns);
    for (let column = 0; column < columns; column++)
      for (let bin = 0; bin < bins; bin++) expect(table.filter((row) => row[column] === bin)).toHaveLength(rows / bins);
  });
});

it('finds tensors by name and by prefix, and says which there are', () => {
  scope(device, () => {
    const tensors = new Map([
      ['router.weight', tensor(device, [1])],
      ['router.bias', tensor(device, [2])],
      ['experts.up', tensor(device, [3])],
    ]);
    expect([...below(tensors, 'router.').keys()]).toEqual(['weight', 'bias']);
    expect(tensorNamed(tensors, 'experts.up')).toBe(tensors.get('experts.up'));
    expect(() => tensorNamed(tensors, 'experts.down')).toThrow(
      'there is no tensor "experts.down"; got router.weight, router.bias, experts.up',
    );
  });
});

it('unitRows divides rows by their norm and leaves a row of zeros at zero, with a finite gradient', async () => {
  const x = parameter(device, [3, 4, 0, 0, 1e-3, 0], [3, 2]);
  const { rows, gradient } = await scope(device, async () => {
    const y = unitRows(x);
    backward(sum(y));
    return { rows: rowsOf(Array.from(await y.data()), 2), gradient: await x.grad!.data() };
  });
  x.dispose();
  expect(rows[0]![0]).toBeCloseTo(0.6, 6);
  expect(rows[0]![1]).toBeCloseTo(0.8, 6);
  expect(rows[1]).toEqual([0, 0]);
  expect(rows[2]![0]).toBeCloseTo(1, 5);
  expect(gradient.every(Number.isFinite)).toBe(true);
});
