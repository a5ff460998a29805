/**
 * Holds an op against a float64 reference on a device: values, gradients by central differences, and no memory left
 * behind.
 */
import { backward } from '../../src/autograd.ts';
import { tensor } from '../../src/creation.ts';
import type { Device } from '../../src/devices/device.ts';
import { scope } from '../../src/scope.ts';
import { formatShape, sameShape } from '../../src/shape.ts';
import { Tensor } from '../../src/tensor.ts';
import type { Input, OpCase, OpSuite } from '../conformance/suite.ts';
import { type NdArray, noise, total } from './array.ts';

/** Error allowed in extreme cases, relative to each number; what lies below the least normal f32 may be zero. */
const EXTREME_TOLERANCE = 1e-5;
const LEAST_NORMAL = 2 ** -126;

/**
 * Whether the device computes as IEEE 754 says to the last; GPUs may take denormals as zero and leave out what makes a
 * NaN.
 */
function isStrict(device: Device): boolean {
  return device.kind === 'wasm' || device.description.includes('cpu mode');
}

/** Values, gradients and memory of one case. */
export async function checkOp(device: Device, testCase: OpCase, gradients: OpSuite['gradients']): Promise<void> {
  const { inputs, op, tolerance = 2e-6, floor = LEAST_SCALE, untracked = false } = testCase;
  const { gradientTolerance = 10 * tolerance } = testCase;
  const checked = gradients === 'checked' && !untracked;
  const { value: expected, cotangent, derivatives } = expectationOf(testCase, checked);
  await withoutLeak(device, () =>
    scope(device, async () => {
      const tensors = inputs.map((input) => leaf(device, input, gradients !== 'in place'));
      const out = op(...tensors);
      expectShape(out.shape, expected.shape, 'value');
      expectClose(await out.data(), expected.data, tolerance, 'value', floor);
      if (!checked) {
        if (out.tracked) throw new Error('the result is tracked, but the suite says that it has no gradient');
        return;
      }
      if (!out.tracked) throw new Error('the result is not tracked, but the suite says that it has a gradient');
      backward(out, tensor(device, [...cotangent.data], expected.shape));
      for (const [i, input] of inputs.entries()) {
        if (input.integer) continue;
        const { grad } = tensors[i]!;
        if (grad === null) throw new Error(`input ${i} got no gradient`);
        expectShape(grad.shape, input.shape, `gradient of input ${i}`);
        const values = await grad.data();
        expectClose(
          sample(input.data.length).map((at) => values[at]!),
          derivatives[i]!,
          gradientTolerance,
          `gradient of input ${i}`,
          floor,
        );
        grad.dispose();
      }
    }),
  );
}

/** Each value of an extreme case as IEEE says, as far as the device promises that. */
export async function checkExtreme(device: Device, testCase: OpCase): Promise<void> {
  const { inputs, op, reference, tolerance = EXTREME_TOLERANCE, strict = false } = testCase;
  const isDenormal = (x: number): boolean => x !== 0 && Math.abs(x) < LEAST_NORMAL;
  if (!isStrict(device) && (strict || inputs.some(({ data }) => data.some(isDenormal)))) return;
  const expected = reference(...inputs);
  await withoutLeak(device, () =>
    scope(device, async () => {
      const out = op(...inputs.map((input) => leaf(device, input, false)));
      expectShape(out.shape, expected.shape, 'value');
      const actual = await out.data();
      for (const [i, exact] of expected.data.entries()) {
        const want = Math.fround(exact);
        const got = actual[i]!;
        const allowed = Math.max(LEAST_NORMAL, tolerance * Math.abs(want));
        const fits = Number.isFinite(want) ? Math.abs(got - want) <= allowed : Object.is(got, want);
        if (!fits) throw new Error(`element ${i}: got ${got}, expected ${want}`);
      }
    }),
  );
}

/** Bits of the value and of the gradients of a case. */
export async function bitsOf(
  device: Device,
  { inputs, op, untracked }: OpCase,
  gradients: OpSuite['gradients'],
): Promise<Uint8Array[]> {
  return await scope(device, async () => {
    const tensors = inputs.map((input) => leaf(device, input, gradients !== 'in place'));
    const out = op(...tensors);
    if (gradients === 'checked' && !untracked) {
      backward(out, tensor(device, [...noise(out.shape, 99).data], out.shape));
    }
    const grads = tensors.flatMap(({ grad }) => (grad === null ? [] : [grad]));
    const read = await Promise.all([out, ...grads].map((x) => x.data()));
    for (const grad of grads) grad.dispose();
    return read.map((x) => new Uint8Array(x.buffer));
  });
}

interface Expectation {
  readonly value: NdArray;
  /** What the value's elements are weighted by before gradients are taken. */
  readonly cotangent: NdArray;
  /** For each input, the derivatives at its `sample`; none for whole numbers. */
  readonly derivatives: readonly number[][];
}

/** The float64 side of cases: the same on all devices, and slow. */
const expectations = new WeakMap<OpCase, Expectation>();

function expectationOf(testCase: OpCase, differentiate: boolean): Expectation {
  const known = expectations.get(testCase);
  if (known !== undefined) return known;
  const { inputs, reference } = testCase;
  const value = reference(...inputs);
  const cotangent = noise(value.shape, 99);
  const derivatives = inputs.map((input, i) =>
    input.integer || !differentiate
      ? []
      : centralDifferences(reference, inputs, i, sample(input.data.length), cotangent),
  );
  const expectation = { value, cotangent, derivatives };
  expectations.set(testCase, expectation);
  return expectation;
}

async function withoutLeak(device: Device, body: () => Promise<void>): Promise<void> {
  const before = device.memory.liveBuffers;
  await body();
  await device.synchronize();
  const left = device.memory.liveBuffers - before;
  if (left !== 0) throw new Error(`${left} buffers are still live after the case`);
}

function leaf(device: Device, { shape, data, integer }: Input, requiresGrad: boolean): Tensor {
  if (integer) return tensor(device, [...data], shape, 'i32');
  const out = new Tensor(device, shape, 'f32', { requiresGrad });
  if (out.size > 0) device.write(out.buffer, Float32Array.from(data));
  return out;
}

/** All places of a small tensor, and some spread over a large one: central differences cost two references each. */
function sample(size: number): number[] {
  const step = Math.max(1, Math.floor(size / (size < 1000 ? 30 : 8)));
  return Array.from({ length: Math.ceil(size / step) }, (_, i) => i * step);
}

/** d sum(cotangent * f(x)) / d x at the elements `places`, in float64. */
function centralDifferences(
  f: (...inputs: NdArray[]) => NdArray,
  inputs: readonly NdArray[],
  which: number,
  places: readonly number[],
  cotangent: NdArray,
): number[] {
  const { shape, data } = inputs[which]!;
  return places.map((place) => {
    const value = data[place]!;
    const step = 1e-5 * Math.max(1, Math.abs(value));
    const objective = (x: number): number => {
      const { data: moved } = f(...inputs.with(which, { shape, data: data.with(place, x) }));
      return total(moved.map((y, j) => y * cotangent.data[j]!));
    };
    return (objective(value + step) - objective(value - step)) / (2 * step);
  });
}

function expectShape(actual: readonly number[], expected: readonly number[], what: string): void {
  if (!sameShape(actual, expected)) {
    throw new Error(`${what}: got shape ${formatShape(actual)}, expected ${formatShape(expected)}`);
  }
}

/**
 * What tolerances are relative to at least: most inputs are about 1, and a result that is the difference of such
 * numbers inherits their rounding.
 */
const LEAST_SCALE = 0.05;

/**
 * Every element within `tolerance` of the largest magnitude of `expected` (at least `floor`). NaN and infinity must
 * match.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = 'value',
  floor: number = LEAST_SCALE,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: got ${actual.length} elements, expected ${expected.length}`);
  }
  let scale = floor;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(expected[i]!)) scale = Math.max(scale, Math.abs(expected[i]!));
  }
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!;
    const b = expected[i]!;
    const close = Number.isFinite(b) ? Math.abs(a - b) <= tolerance * scale : Object.is(a, b);
    if (!close) throw new Error(`${what}, element ${i}: got ${a}, expected ${b} (tolerance ${tolerance * scale})`);
  }
}
