/** Loads of routers without structure, draw by draw: the same random numbers, put together plainly. */
import { describe, expect, test } from 'vitest';
import { isotropicLoads } from '../src/isotropic-null.ts';
import { Random } from '../src/random.ts';
import { uniformLoads } from '../src/sampling-floor.ts';
import { plainUniformLoads } from './plain-routing.ts';

const average = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((total, x, d) => total + x * b[d]!, 0);

function unit(random: Random, width: number): number[] {
  const row = Array.from({ length: width }, () => random.normal());
  return row.map((x) => x / Math.sqrt(dot(row, row)));
}

/** The k keys of largest cosine, the first of equal ones. */
function chosen(keys: readonly number[][], latent: readonly number[], topK: number): number[] {
  const order = Array.from(keys.keys()).toSorted((a, b) => dot(keys[b]!, latent) - dot(keys[a]!, latent) || a - b);
  return order.slice(0, topK);
}

describe('loads of uniform routers', () => {
  test('ask each expert in turn how many of the waiting tokens it takes', () => {
    const asked: [number, number][] = [];
    // A third of those asked, rounded up, go to the expert.
    const random = { binomial: (n: number, p: number) => (asked.push([n, p]), p === 1 ? n : Math.ceil(n / 3)) };
    const loads = uniformLoads(random as unknown as Random, { experts: 4, topK: 2, tokens: 9 });
    // Of 9 that want two experts the first takes 3. The second is asked by those 3, who want one more, then by the 6.
    expect(asked).toEqual([[9, 2 / 4], [3, 1 / 3], [6, 2 / 3], [4, 1 / 2], [4, 1], [6, 1]]); // biome-ignore format: a list
    expect(Array.from(loads)).toEqual([3, 3, 6, 6]);
  });

  test('are those of single tokens on average, expert by expert and pair by pair', () => {
    const random = new Random(5);
    const shape = { experts: 5, topK: 2, tokens: 30 };
    const products = (draw: () => Float64Array): number[] => {
      const loads = Array.from({ length: 1500 }, draw);
      return [0, 3].flatMap((a) => [a, 4].map((b) => average(loads.map((load) => load[a]! * load[b]!))));
    };
    const fast = products(() => uniformLoads(random, shape));
    const plain = products(() => plainUniformLoads(random, shape));
    // The deviation of a product of two counts of 12 +- 2.7 is about 45, so that of a mean of 1500 is 1.2.
    for (const [i, value] of fast.entries()) expect(Math.abs(value - plain[i]!)).toBeLessThan(7);
  });
});

describe('loads of untrained latent routers', () => {
  test.each([
    { experts: 9, topK: 1, latentDim: 3, tokens: 40 },
    { experts: 17, topK: 4, latentDim: 5, tokens: 25 },
    { experts: 3, topK: 3, latentDim: 2, tokens: 4 },
    // On a line keys are equal or opposite, and the first of equal ones is taken.
    { experts: 7, topK: 2, latentDim: 1, tokens: 10 },
  ])('are counted token by token: $experts-$topK in $latentDim', (shape) => {
    const { experts, topK, latentDim, tokens } = shape;
    const random = new Random(9);
    const plain = Array.from({ length: 3 }, () => {
      const keys = Array.from({ length: experts }, () => unit(random, latentDim));
      const counts = Array.from({ length: experts }, () => 0);
      for (let token = 0; token < tokens; token++) {
        const latent = Array.from({ length: latentDim }, () => random.normal());
        for (const expert of chosen(keys, latent, topK)) counts[expert]! += 1;
      }
      return counts;
    });
    expect(isotropicLoads(new Random(9), shape, 3).map((loads) => Array.from(loads))).toEqual(plain);
  });

  test('are whole tokens up to 4096 of them', () => {
    const [loads] = isotropicLoads(new Random(2), { experts: 3, topK: 1, latentDim: 2, tokens: 4096 }, 1);
    expect(Array.from(loads!, (load) => load % 1)).toEqual([0, 0, 0]);
    expect(loads!.reduce((a, b) => a + b)).toBe(4096);
  });

  // Two frames at least, 4096 / width where that is more; as few rows as that allows are quick.
  test.each([
    { experts: 5, topK: 2, latentDim: 2, tokens: 5000 },
    { experts: 9, topK: 1, latentDim: 3, tokens: 4097 },
    { experts: 3, topK: 3, latentDim: 4, tokens: 9000 },
  ])('of many tokens are the geometry of the keys with noise: $experts-$topK in $latentDim', (shape) => {
    const { experts, topK, latentDim, tokens } = shape;
    const random = new Random(4);
    const frames = Array.from({ length: Math.ceil(4096 / latentDim) }, () => {
      const rows: number[][] = [];
      for (let row = 0; row < latentDim; row++) {
        let own = unit(random, latentDim);
        for (const other of rows) {
          const along = dot(own, other);
          own = own.map((x, d) => x - along * other[d]!);
        }
        rows.push(own.map((x) => x / Math.sqrt(dot(own, own))));
      }
      return rows;
    });
    const plain = Array.from({ length: 2 }, () => {
      const keys = Array.from({ length: experts }, () => unit(random, latentDim));
      // Choices of each frame and its opposites: [frames][experts].
      const choices = frames.map((rows) => {
        const own = Array.from({ length: experts }, () => 0);
        for (const row of rows) {
          for (const latent of [row, row.map((x) => -x)]) for (const e of chosen(keys, latent, topK)) own[e]! += 1;
        }
        return own;
      });
      const perFrame = (2 * latentDim * topK) / experts;
      const relative = keys.map((_, e) => choices.map((own) => own[e]! / perFrame));
      const deviations = relative.map((loads) => average(loads) - 1);
      // Variance of a mean over frames: that of a frame over their number.
      const noiseOf = (loads: number[]): number =>
        loads.reduce((total, load) => total + (load - average(loads)) ** 2, 0) / (loads.length - 1) / loads.length;
      const seen = average(deviations.map((x) => x ** 2));
      const variance = Math.max(0, seen - average(relative.map(noiseOf)));
      const scale = seen === 0 ? 0 : Math.sqrt(variance / seen);
      const spread = Math.sqrt((Math.max(0, experts / topK - 1 - variance) / tokens) * (experts / (experts - 1)));
      const normal = keys.map(() => random.normal());
      return deviations.map(
        (x, e) => ((tokens * topK) / experts) * Math.max(0, 1 + scale * x + spread * (normal[e]! - average(normal))),
      );
    });
    const loads = isotropicLoads(new Random(4), shape, 2);
    for (const [draw, expected] of plain.entries()) {
      for (const [e, load] of expected.entries()) expect(loads[draw]![e]! / load).toBeCloseTo(1, 9);
    }
  });
});
