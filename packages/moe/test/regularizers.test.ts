import { backward, cast, matmul, parameter, scope, segmentPlan, segmentSum, type Tensor, tensor } from '@lpr/tensor';
import { unitRows } from '@lpr/tensor/nn';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AssignedSums,
  alignmentOfAssignedCentres,
  alignmentOfAssignedMeans,
  alignmentOfMixture,
  alignmentOfSums,
  assignmentOf,
  klToStandardNormal,
  meanCosine,
  negativeMeanDistance,
  orthogonality,
} from '../src/index.ts';
import { device, dot, type Matrix, mean, softmax, toMatrix, toTensor, unit } from './support.ts';

const value = fc.integer({ min: -3000, max: 3000 }).map((x) => x / 1000);
const matrix = (rows: number, columns: number): fc.Arbitrary<Matrix> =>
  fc.array(fc.array(value, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows });
const sizes = fc.record({ rows: fc.integer({ min: 1, max: 9 }), columns: fc.integer({ min: 1, max: 6 }) });
/** Sums of the latents that went to each of 4 experts. */
function assigned(latents: Tensor, experts: Matrix): AssignedSums {
  const plan = segmentPlan(tensor(device, Int32Array.from(experts.flat()), [experts.length, 2]), 4);
  return { sums: segmentSum(latents, plan), counts: cast(plan.counts, 'f32') };
}
const close = (expected: number): number => 1e-4 * Math.max(1, Math.abs(expected));

describe('orthogonality', () => {
  it.each([
    { unit: true, reduce: 'mean' },
    { unit: true, reduce: 'sum' },
    { unit: false, reduce: 'mean' },
    { unit: false, reduce: 'sum' },
  ] as const)('is the squared difference of the full Gram matrix and I: %j', async (options) => {
    await fc.assert(
      fc.asyncProperty(
        sizes.chain(({ rows, columns }) => matrix(rows, columns)),
        async (rows) => {
          fc.pre(!options.unit || rows.every((row) => dot(row, row) > 1e-4));
          const a = options.unit ? rows.map(unit) : rows;
          const entries = a.flatMap((x, i) => a.map((y, j) => (dot(x, y) - (i === j ? 1 : 0)) ** 2));
          const expected = entries.reduce((x, y) => x + y, 0) / (options.reduce === 'mean' ? entries.length : 1);
          const got = await scope(device, () => orthogonality(toTensor(a), options).item());
          // Of large terms that cancel, the error is relative to the terms.
          const terms = a.reduce((x, y) => x + dot(y, y) ** 2, 1);
          expect(Math.abs(got - expected)).toBeLessThan(close(expected) + 1e-6 * terms);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('the other diversity measures', () => {
  const distance = (x: readonly number[], y: readonly number[]): number =>
    Math.hypot(...x.map((value, d) => value - y[d]!));

  it('are means over all pairs of different rows, and 0 of one row', async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes.chain(({ rows, columns }) => matrix(rows, columns)),
        async (rows) => {
          fc.pre(rows.every((row) => dot(row, row) > 1e-4));
          const pairs = rows.flatMap((x, i) => rows.flatMap((y, j) => (i === j ? [] : [[x, y] as const])));
          const got = await scope(device, async () => [
            await meanCosine(unitRows(toTensor(rows))).item(),
            await negativeMeanDistance(toTensor(rows)).item(),
          ]);
          const expected =
            pairs.length === 0
              ? [0, 0]
              : [mean(pairs.map(([x, y]) => dot(unit(x), unit(y)))), -mean(pairs.map(([x, y]) => distance(x, y)))];
          expect(Math.abs(got[0]! - expected[0]!)).toBeLessThan(1e-5);
          // Equal rows: a rounding error of the squared distance shows as its root.
          expect(Math.abs(got[1]! - expected[1]!)).toBeLessThan(3e-3);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has the gradient of the mean distance, also over several blocks of rows and with equal rows', async () => {
    const count = 300;
    const rows = Array.from({ length: count }, (_, i) => [Math.sin(i % 290), Math.cos(3 * (i % 290)), (i % 290) / 100]);
    const gradient = await scope(device, async () => {
      const x = parameter(device, Float32Array.from(rows.flat()), [count, 3]);
      backward(negativeMeanDistance(x));
      const data = await x.grad!.data();
      x.dispose();
      return data;
    });
    for (const i of [0, 5, 255, 256, 299]) {
      for (const d of [0, 1, 2]) {
        const terms = rows.map((y) => {
          const length = distance(rows[i]!, y);
          return length === 0 ? 0 : (rows[i]![d]! - y[d]!) / length;
        });
        const expected = (-2 * terms.reduce((a, b) => a + b, 0)) / (count * (count - 1));
        // Gradients are near 7e-3; the distance of close rows loses some digits to cancellation.
        expect(Math.abs(gradient[3 * i + d]! - expected)).toBeLessThan(1e-5);
      }
    }
  });
});

describe('the other terms against loops', () => {
  const batch = fc
    .record({ tokens: fc.integer({ min: 1, max: 8 }), latentDim: fc.integer({ min: 1, max: 5 }) })
    .chain(({ tokens, latentDim }) =>
      fc.record({
        z: matrix(tokens, latentDim),
        other: matrix(tokens, latentDim),
        keys: matrix(4, latentDim),
        scores: matrix(tokens, 2),
        experts: fc.array(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 2, maxLength: 2 }), {
          minLength: tokens,
          maxLength: tokens,
        }),
      }),
    );

  it('KL', async () => {
    await fc.assert(
      fc.asyncProperty(batch, async ({ z, other }) => {
        const expected = mean(
          z.map((mu, t) => {
            const terms = mu.map((m, d) => m * m + Math.exp(other[t]![d]!) - other[t]![d]! - 1);
            return terms.reduce((a, b) => a + b, 0) / 2;
          }),
        );
        const got = await scope(device, () => klToStandardNormal(toTensor(z), toTensor(other)).item());
        expect(Math.abs(got - expected)).toBeLessThan(close(expected));
      }),
      { numRuns: 20 },
    );
  });

  it('alignment of the mixture', async () => {
    await fc.assert(
      fc.asyncProperty(batch, async ({ z, other }) => {
        const expected = z.flat().reduce((total, x, i) => total + (x - other.flat()[i]!) ** 2, 0);
        const got = await scope(device, () => alignmentOfMixture(toTensor(z), toTensor(other)).item());
        expect(Math.abs(got - expected)).toBeLessThan(close(expected));
      }),
      { numRuns: 20 },
    );
  });

  it.each(['zeroFilled', 'chosenOnly'] as const)('alignment of sums, %s', async (fill) => {
    await fc.assert(
      fc.asyncProperty(batch, async ({ z, keys, scores, experts }) => {
        const rest = fill === 'zeroFilled' ? 0 : -Infinity;
        const routing = experts.map((chosen, t) => softmax(keys.map((_, e) => scores[t]![chosen.indexOf(e)] ?? rest)));
        const differences = keys.flatMap((k, e) =>
          k.map((x, d) => Math.abs(x - z.reduce((total, row, t) => total + routing[t]![e]! * row[d]!, 0))),
        );
        const got = await scope(device, async () => {
          const indices = tensor(device, Int32Array.from(experts.flat()), [experts.length, 2]);
          const assignment = assignmentOf(toTensor(scores), indices, keys.length, fill);
          const loss = alignmentOfSums(toTensor(keys), matmul(assignment, toTensor(z), { transposeA: true }));
          return { loss: await loss.item(), routing: await toMatrix(assignment) };
        });
        expect(Math.abs(got.loss - mean(differences))).toBeLessThan(close(mean(differences)));
        got.routing.flat().forEach((x, i) => expect(x).toBeCloseTo(routing.flat()[i]!, 5));
      }),
      { numRuns: 20 },
    );
  });

  it('alignment of assigned centres', async () => {
    await fc.assert(
      fc.asyncProperty(batch, async ({ z, keys, experts }) => {
        const distances = keys.flatMap((k, e) => {
          const own = z.filter((_, t) => experts[t]!.includes(e));
          return own.length === 0 ? [] : [mean(k.map((x, d) => (x - mean(own.map((row) => row[d]!))) ** 2))];
        });
        const got = await scope(device, () => {
          return alignmentOfAssignedCentres(toTensor(keys), assigned(toTensor(z), experts)).item();
        });
        expect(Math.abs(got - mean(distances))).toBeLessThan(close(mean(distances)));
      }),
      { numRuns: 20 },
    );
  });

  it('alignment of assigned means', async () => {
    await fc.assert(
      fc.asyncProperty(batch, async ({ z, keys, experts }) => {
        // A mean of exactly opposite latents has no direction; the formula then counts the expert as if at a right
        // angle.
        const distances = keys.flatMap((k, e) => {
          const own = z.filter((_, t) => experts[t]!.includes(e)).map(unit);
          if (own.length === 0) return [];
          const centre = k.map((_, d) => mean(own.map((row) => row[d]!)));
          fc.pre(dot(centre, centre) > 1e-6 && dot(k, k) > 1e-6);
          const unitCentre = unit(centre);
          return [unit(k).reduce((total, x, d) => total + (x - unitCentre[d]!) ** 2, 0)];
        });
        const got = await scope(device, () => {
          return alignmentOfAssignedMeans(unitRows(toTensor(keys)), assigned(unitRows(toTensor(z)), experts)).item();
        });
        expect(Math.abs(got - mean(distances))).toBeLessThan(close(mean(distances)));
      }),
      { numRuns: 20 },
    );
  });
});
