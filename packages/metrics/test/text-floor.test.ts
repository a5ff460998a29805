import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HeldOutBlock, layersReport, samplingFloor, textFloor } from '../src/index.ts';
import { Random } from '../src/random.ts';
import { uniformLoads } from '../src/sampling-floor.ts';

function blocksOf(counts: readonly (readonly (readonly number[])[])[], domain = 'text'): HeldOutBlock[] {
  return counts.map((layers) => ({ domain, weight: 1, tokens: 100, loss: 1, counts: layers }));
}

/** Blocks of one layer whose loads are what a block of the text has there, by the place of the block. */
const oneLayer = (loads: readonly (readonly number[])[]): HeldOutBlock[] => blocksOf(loads.map((own) => [own]));

describe('the floor of a text', () => {
  it('is that of the tokens where they do not depend on one another', () => {
    const random = new Random(3);
    const size = { experts: 64, topK: 4 };
    const layers = 4;
    const blocks = Array.from({ length: 25 }, () =>
      Array.from({ length: layers }, () => Array.from(uniformLoads(random, { ...size, tokens: 400 }))),
    );
    const { mean, worst } = textFloor(blocksOf(blocks))!;
    const floor = samplingFloor({ ...size, tokens: 25 * 400, layers });
    for (const key of ['gini', 'coefficientOfVariation', 'minMax'] as const) {
      // What 25 blocks of four layers show of the spread has an error of some per cent.
      expect(Math.abs(mean[key].mean / floor.mean[key].mean - 1)).toBeLessThan(0.1);
      expect(Math.abs(worst[key].mean / floor.worst[key].mean - 1)).toBeLessThan(0.15);
    }
  });

  it('has the variance of as many independent blocks', () => {
    // Topics: each block gives one of the experts more.
    const loads = Array.from({ length: 12 }, (_, i) =>
      Array.from({ length: 6 }, (__, j): number => (i % 6 === j ? 70 : 50)),
    );
    const { mean } = textFloor(oneLayer(loads))!;
    const n = loads.length;
    const variances = Array.from({ length: 6 }, (_, j) => {
      const own = loads.map((block) => block[j]!);
      const middle = own.reduce((a, b) => a + b) / n;
      return (n * own.reduce((sum, load) => sum + (load - middle) ** 2, 0)) / (n - 1);
    });
    const expected = variances.reduce((a, b) => a + b) / 6;
    expect(Math.abs(mean.variance.mean / expected - 1)).toBeLessThan(0.06);
    expect(mean.variance.low).toBeLessThan(mean.variance.mean);
    expect(mean.variance.high).toBeGreaterThan(mean.variance.mean);
  });

  it('is balance where all blocks are alike, however uneven they are and long', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 2, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 6 }),
        (loads, lengths) => {
          const blocks = oneLayer(lengths.map((length) => loads.map((load) => length * load)));
          const { mean, worst } = textFloor(blocks)!;
          expect(mean.gini.high).toBeCloseTo(0, 9);
          expect(worst.minMax.low).toBeCloseTo(1, 9);
        },
      ),
      { numRuns: 20 },
    );
  });

  it('draws domains by themselves, whose differences are no chance', () => {
    const code = blocksOf([[[100, 0]], [[100, 0]]], 'code');
    const speech = blocksOf([[[0, 100]], [[0, 100]], [[0, 100]]], 'speech');
    expect(textFloor([...code, ...speech])!.mean.gini.mean).toBe(0);
    const mixed = [...code, ...speech].map((block) => ({ ...block, domain: 'all' }));
    expect(textFloor(mixed)!.mean.gini.mean).toBeGreaterThan(0.1);
  });

  it('moves with the labels of experts and layers alone, and is the same for the same seed', () => {
    const random = new Random(1);
    const counts = Array.from({ length: 9 }, () =>
      Array.from({ length: 2 }, () => Array.from({ length: 5 }, () => 20 + random.below(20))),
    );
    const turned = counts.map((layers) => layers.map((loads) => loads.toReversed()).toReversed());
    const [floor, other] = [textFloor(blocksOf(counts), 7)!, textFloor(blocksOf(turned), 7)!];
    expect(textFloor(blocksOf(counts), 7)).toEqual(floor);
    for (const of of ['mean', 'worst'] as const) {
      expect(other[of].gini.mean).toBeCloseTo(floor[of].gini.mean, 12);
    }
    expect(textFloor(blocksOf(counts), 8)).not.toEqual(floor);
    expect(floor.worst.gini.mean).toBeGreaterThan(floor.mean.gini.mean);
  });

  it('is none where there is no chance to see, and copes with experts and layers that got nothing', () => {
    expect(textFloor([])).toBeNull();
    expect(textFloor(blocksOf([[], []]))).toBeNull();
    expect(textFloor(oneLayer([[3, 4]]))).toBeNull();
    expect(
      textFloor([
        ...oneLayer([
          [3, 4],
          [5, 4],
        ]),
        ...blocksOf([[[1, 1]]], 'alone'),
      ]),
    ).toBeNull();
    const empty = textFloor(
      oneLayer([
        [0, 0],
        [0, 0],
      ]),
    )!;
    expect(empty.mean.gini.mean).toEqual(layersReport([[0, 0]]).mean.gini);
    const once = textFloor(
      oneLayer([
        [0, 0],
        [6, 2],
      ]),
    )!;
    expect(once.mean.gini.mean).toBeGreaterThan(0);
  });
});
