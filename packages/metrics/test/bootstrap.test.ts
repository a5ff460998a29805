import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockBootstrap, BlockRecorder, type HeldOutBlock, layersReport, meanEstimate } from '../src/index.ts';

/** Blocks of 10 tokens with these mean losses. */
function blocksOf(losses: readonly number[], changes: Partial<HeldOutBlock> = {}): HeldOutBlock[] {
  return losses.map((loss, i) => ({
    domain: 'text',
    weight: 1,
    tokens: 10,
    loss: 10 * loss,
    counts: [
      [10 + i, 5, 5, 0],
      [4, 6, 5, 5 + i],
    ],
    ...changes,
  }));
}

const LOSSES = [5.1, 4.9, 5.4, 4.6, 5.0, 5.3, 4.8, 5.2, 4.7, 5.05];
const losses = fc.array(fc.double({ min: 1, max: 9, noNaN: true }), { minLength: 2, maxLength: 12 });

describe('a bootstrap over blocks', () => {
  it.each([3, 4, 10])('has the error of a mean of %i independent blocks', (count) => {
    const each = LOSSES.slice(0, count);
    const { mean, error } = new BlockBootstrap(blocksOf(each)).estimate('testLoss');
    const expected = meanEstimate(each);
    expect(mean).toBeCloseTo(expected.mean, 12);
    // Of 500 draws the standard deviation is known to 3 %; drawing n of n blocks would be 18 % off for three.
    expect(Math.abs(error! / expected.error! - 1)).toBeLessThan(0.07);
  });

  it('has the numbers of the whole evaluation, and is the same for the same seed', () => {
    fc.assert(
      fc.property(losses, fc.integer({ min: 0, max: 1e6 }), (each, seed) => {
        const blocks = blocksOf(each);
        const bootstrap = new BlockBootstrap(blocks, seed);
        const counts = [0, 1].map((layer) =>
          [0, 1, 2, 3].map((expert) => blocks.reduce((sum, block) => sum + block.counts[layer]![expert]!, 0)),
        );
        const { testLoss, ...balance } = bootstrap.numbers;
        expect(testLoss).toBeCloseTo(each.reduce((a, b) => a + b) / each.length, 9);
        expect(balance).toEqual(layersReport(counts).mean);
        const again = new BlockBootstrap(blocks, seed);
        for (const key of ['testLoss', 'gini', 'minMax'] as const) {
          expect(again.estimate(key)).toEqual(bootstrap.estimate(key));
        }
      }),
      { numRuns: 10 },
    );
  });

  it('sees no difference between equal runs, and a difference block by block', () => {
    fc.assert(
      fc.property(losses, (each) => {
        const run = new BlockBootstrap(blocksOf(each));
        const same = new BlockBootstrap(blocksOf(each));
        for (const key of ['testLoss', 'gini', 'maxViolation'] as const) {
          expect(run.difference(key, same)).toEqual({ mean: 0, error: 0 });
        }
        // Every block is worse by the same: however the text is drawn, so is the run.
        const worse = new BlockBootstrap(blocksOf(each.map((loss) => loss + 0.25)));
        expect(worse.difference('testLoss', run)!.mean).toBeCloseTo(0.25, 9);
        expect(worse.difference('testLoss', run)!.error).toBeCloseTo(0, 9);
      }),
      { numRuns: 10 },
    );
  });

  it('draws domains by themselves, at the weights of the mix', () => {
    // Within each domain all blocks are alike, so that nothing is left to chance.
    const easy = blocksOf([1, 1, 1], { domain: 'easy', weight: 2 });
    const hard = blocksOf([9, 9], { domain: 'hard' });
    const { mean, error } = new BlockBootstrap([...easy, ...hard]).estimate('testLoss');
    expect(mean).toBeCloseTo((2 * 3 * 1 + 2 * 9) / (2 * 3 + 2), 12);
    expect(error).toBeCloseTo(0, 12);
  });

  it('has no interval where a domain is one block, or a measure does not exist', () => {
    const alone = new BlockBootstrap([...blocksOf([5, 6]), ...blocksOf([7], { domain: 'other' })]);
    expect(alone.estimate('testLoss')).toEqual({ mean: 6, error: null });
    const dense = new BlockBootstrap(blocksOf([5, 6, 7], { counts: [] }));
    expect(dense.estimate('gini')).toEqual({ mean: Number.NaN, error: null });
    expect(dense.estimate('testLoss').error).toBeGreaterThan(0);
    expect(() => new BlockBootstrap([])).toThrow('blocks is empty');
  });

  it('does not compare runs on other blocks', () => {
    const run = new BlockBootstrap(blocksOf([5, 6, 7]));
    expect(run.difference('testLoss', new BlockBootstrap(blocksOf([5, 6])))).toBeNull();
    expect(run.difference('testLoss', new BlockBootstrap(blocksOf([5, 6, 7], { tokens: 20 })))).toBeNull();
    expect(run.difference('testLoss', new BlockBootstrap(blocksOf([5, 6, 7], { domain: 'other' })))).toBeNull();
  });
});

describe('blocks of batches', () => {
  it('lose nothing, and are few and as long as each other but for the last', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 40 }), (batches, others) => {
        const recorder = new BlockRecorder();
        for (const [domain, count] of [
          ['text', batches],
          ['other', others],
        ] as const) {
          for (let i = 0; i < count; i++) {
            recorder.add({ domain, weight: 1, tokens: 8, loss: i, counts: [[i, 1]] });
          }
        }
        const blocks = recorder.blocks().filter(({ domain }) => domain === 'text');
        expect(blocks.length).toBeGreaterThanOrEqual(Math.min(batches, 17));
        expect(blocks.length).toBeLessThanOrEqual(32);
        expect(new Set(blocks.slice(0, -1).map(({ tokens }) => tokens)).size).toBeLessThanOrEqual(1);
        expect(blocks.at(-1)!.tokens).toBeLessThanOrEqual(blocks[0]!.tokens);
        const total = (of: (block: HeldOutBlock) => number): number =>
          blocks.reduce((sum, block) => sum + of(block), 0);
        expect(total(({ tokens }) => tokens)).toBe(8 * batches);
        expect(total(({ loss }) => loss)).toBe((batches * (batches - 1)) / 2);
        expect(total(({ counts }) => counts[0]![0]!)).toBe((batches * (batches - 1)) / 2);
        expect(total(({ counts }) => counts[0]![1]!)).toBe(batches);
      }),
    );
  });
});
