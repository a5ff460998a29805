/**
 * How even loads on this much text can be expected to be, where experts know what the text is about.
 *
 * A router that is even over all text of a kind is not on a few pieces of it: a piece is about something, and experts
 * of that get more. The sampling floor (`samplingFloor`) takes tokens as independent of one another, which they are
 * not; this floor takes pieces of text as they are, and asks how uneven their sum would be by the chance of which
 * pieces they are, were the router even over all text. What a router shows beyond it is not the chance of the text.
 */
import { type MeasureRange, rangeOf, sum } from './arrays.ts';
import { type BalanceKey, layersReport, mapMeasures } from './balance-measures.ts';
import { BlockDraws, blockLoads } from './block-draws.ts';
import type { HeldOutBlock } from './held-out-blocks.ts';
import { Random } from './random.ts';

/** The ends of a range are known to a few per cent of its width. */
const DRAWS = 500;

/** Of the mean over layers, and of the least balanced layer. */
export interface TextFloor {
  readonly mean: Readonly<Record<BalanceKey, MeasureRange>>;
  readonly worst: Readonly<Record<BalanceKey, MeasureRange>>;
}

/**
 * The floor of the blocks of an evaluation, which are taken as independent pieces of text: where neighbours are about
 * the same, it is too low, and longer blocks come nearer; where a block stands for each part of the text by design, it
 * is too high.
 *
 * The loads of a drawing of blocks (`BlockDraws`) less those of all blocks are what the choice of text does to them. An
 * even router's loads are even ones with that added, 0 where it would be less.
 *
 * @param blocks of the whole evaluation
 * @param seed of the draws
 * @returns null where a domain is a single block, and without experts
 */
export function textFloor(blocks: readonly HeldOutBlock[], seed: number = 0): TextFloor | null {
  const draws = new BlockDraws(blocks);
  if (blocks.length === 0 || blocks[0]!.counts.length === 0 || !draws.isPossible) return null;
  const random = new Random(seed);
  const all = blockLoads(
    blocks,
    blocks.map(() => 1),
  );
  const reports = Array.from({ length: DRAWS }, () => {
    const drawn = blockLoads(blocks, draws.next(random));
    return layersReport(drawn.map((loads, layer) => evenBut(loads, all[layer]!)));
  });
  const ranges = (of: 'mean' | 'worst'): TextFloor['mean'] =>
    mapMeasures(({ key }) => rangeOf(Float64Array.from(reports, (report) => report[of][key])));
  return { mean: ranges('mean'), worst: ranges('worst') };
}

/** Even loads of as many tokens as `all`, but for what a drawing has more of each expert. */
function evenBut(drawn: Float64Array, all: Float64Array): Float64Array {
  const total = sum(all);
  const drawnTotal = sum(drawn);
  // Blocks may differ in their tokens.
  const scale = drawnTotal > 0 ? total / drawnTotal : 0;
  return all.map((load, expert) => Math.max(0, total / all.length + scale * drawn[expert]! - load));
}
