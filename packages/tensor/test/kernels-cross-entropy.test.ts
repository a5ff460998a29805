/** Cross entropy against plain float64 code. */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { builds, excess, type KernelDevice, noise, noiseIntegers, onThreads, openDevice } from './kernel-device.ts';

const ignoredLabel = -100;
describe.each(builds)('cross entropy, %s', (_, relaxedSimd) => {
  let device: KernelDevice;
  beforeAll(async () => {
    device = await openDevice(1, relaxedSimd);
  });
  afterAll(() => device.close());

  /** The definition in float64: losses, and gradients of `scale * sum(losses)`. */
  function reference(logits: ArrayLike<number>, labels: ArrayLike<number>, columns: number, scale: number) {
    const losses: number[] = [];
    const gradient: number[] = [];
    for (let row = 0; row < labels.length; row++) {
      const x = Float32Array.from({ length: columns }, (_, column) => logits[row * columns + column]!);
      const label = labels[row]!;
      const maximum = x.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const sum = x.reduce((a, b) => a + Math.exp(b - maximum), 0);
      losses.push(label === ignoredLabel ? 0 : Math.log(sum) - (x[label]! - maximum));
      for (let c = 0; c < columns; c++) {
        const probability = Math.exp(x[c]! - maximum) / sum;
        gradient.push(label === ignoredLabel ? 0 : (probability - (c === label ? 1 : 0)) * scale);
      }
    }
    return { losses, gradient };
  }

  async function run(on: KernelDevice, logits: ArrayLike<number>, labels: ArrayLike<number>, scale: number | null) {
    const rows = labels.length;
    const columns = logits.length / rows;
    const x = on.f32(logits);
    const losses = on.empty(rows);
    on.kernels.softmaxCrossEntropy({
      logits: x,
      labels: on.i32(labels),
      labelOffset: 0,
      losses,
      lossOffset: 0,
      scale: scale === null ? null : on.f32([scale]),
      rows,
      columns,
      ignoredLabel,
    });
    return { losses: await on.readF32(losses), logits: await on.readF32(x) };
  }

  const shapes = [
    [1, 1],
    [3, 2],
    [5, 3],
    [7, 4],
    [2, 5],
    [9, 16],
    [4, 23],
    [33, 127],
    [300, 131],
    [3, 4099],
    [1, 151_936],
  ] as const;

  test.each(shapes)('cross entropy of %i rows of %i columns and its gradient', async (rows, columns) => {
    const logits = noise(rows * columns, columns).map((x) => 8 * x);
    const labels = noiseIntegers(rows, columns, rows);
    if (rows > 2) labels[1] = ignoredLabel;
    const expected = reference(logits, labels, columns, 0.25);
    const { losses, logits: gradient } = await run(device, logits, labels, 0.25);
    expect(excess(losses, expected.losses, 2e-6, 2e-6)).toBeLessThanOrEqual(1);
    // Probabilities are at most 1, so that an absolute bound is one relative to the row's largest.
    expect(excess(gradient, expected.gradient, 3e-7, 3e-7)).toBeLessThanOrEqual(1);

    const alone = await run(device, logits, labels, null);
    expect(excess(alone.losses, expected.losses, 2e-6, 2e-6)).toBeLessThanOrEqual(1);
    expect(alone.logits).toEqual(logits);
  });

  test('small probabilities keep their relative accuracy', async () => {
    const logits = Float32Array.from({ length: 19 }, (_, i) => -4 * i);
    const expected = reference(logits, [0], 19, 1).gradient;
    const { logits: gradient } = await run(device, logits, [0], 1);
    for (let i = 1; i < 19; i++) expect(gradient[i]! / expected[i]!).toBeCloseTo(1, 6);
  });

  test('labels and losses are taken at their offsets, the rest is left alone', async () => {
    const losses = device.f32([9, 9, 9, 9, 9]);
    device.kernels.softmaxCrossEntropy({
      logits: device.f32([0, 0, 1, 1]),
      labels: device.i32([7, 7, 7, 1, 0]),
      labelOffset: 3,
      losses,
      lossOffset: 1,
      scale: null,
      rows: 2,
      columns: 2,
      ignoredLabel,
    });
    expect(excess(await device.readF32(losses), [9, Math.LN2, Math.LN2, 9, 9], 1e-7, 1e-7)).toBeLessThanOrEqual(1);
  });

  test('large logits neither overflow nor lose the loss', async () => {
    const logits = [3e38, -3e38, 0, 1e4, 1e4 - 20, 1e4 - 40, -1e30, -1e30, -1e30];
    const labels = [0, 1, 2];
    const { losses, logits: gradient } = await run(device, logits, labels, 1);
    const expected = reference(Float32Array.from(logits), labels, 3, 1);
    expect(excess(losses, expected.losses, 1e-6, 1e-6)).toBeLessThanOrEqual(1);
    expect(excess(gradient, expected.gradient, 1e-6, 1e-6)).toBeLessThanOrEqual(1);
  });

  test('minus infinity is a probability of zero; NaN, infinity and all minus infinity give NaN', async () => {
    const { NEGATIVE_INFINITY: low, POSITIVE_INFINITY: high, NaN: nan } = Number;
    const logits = [low, 0, 0, 0, nan, 1, high, 0, 1, low, low, low, nan, high, low];
    const { losses, logits: gradient } = await run(device, logits, [1, 0, 1, 2, ignoredLabel], 1);
    expect(excess(losses.slice(0, 1), [Math.LN2], 1e-6, 1e-6)).toBeLessThanOrEqual(1);
    expect(Array.from(losses.slice(1, 4))).toEqual([nan, nan, nan]);
    expect(losses[4]).toBe(0);
    expect(excess(gradient.slice(0, 3), [0, -0.5, 0.5], 1e-6, 1e-6)).toBeLessThanOrEqual(1);
    expect(gradient.slice(3, 12).some((g) => Number.isNaN(g))).toBe(true);
    expect(Array.from(gradient.slice(12))).toEqual([0, 0, 0]);
  });

  test('a label outside the row stops the kernel', async () => {
    const other = await openDevice();
    await expect(run(other, [1, 2, 3], [3], 1)).rejects.toThrow(/met the label 3; there are 3 classes/);
    await other.close().catch(() => undefined);
  });

  test('a gradient row sums to zero and the loss is positive, whatever the logits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 2, maxLength: 70 }),
        fc.nat(),
        async (logits, pick) => {
          const label = pick % logits.length;
          const { losses, logits: gradient } = await run(device, logits, [label], 1);
          expect(
            excess(losses, reference(Float32Array.from(logits), [label], logits.length, 1).losses, 2e-6, 2e-6),
          ).toBeLessThanOrEqual(1);
          expect(gradient.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 5);
          expect(losses[0]!).toBeGreaterThanOrEqual(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the same bits on any number of threads', async () => {
    const logits = noise(137 * 251).map((x) => 5 * x);
    const [first, ...others] = await onThreads((on) => run(on, logits, noiseIntegers(137, 251), 0.01), relaxedSimd);
    for (const other of others) expect(other).toEqual(first);
  });

  test.each([0, 1, 3, 4, 7, 1001])('counts the labels of %i rows', async (rows) => {
    const labels = noiseIntegers(rows, 5).map((label) => (label === 0 ? ignoredLabel : label));
    const out = device.empty(1);
    device.kernels.countLabels({ labels: device.i32(labels), out, rows, ignoredLabel });
    expect((await device.readF32(out))[0]).toBe(labels.filter((label) => label !== ignoredLabel).length);
  });
});
