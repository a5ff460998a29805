/**
 * The held-out text of an evaluation in blocks of consecutive sequences: what was lost on each and where its tokens
 * went. How blocks differ says how far the text decides a result (`BlockBootstrap`).
 */
import type { Counts } from './counts.ts';

/** Some sequences of one domain. */
export interface HeldOutBlock {
  readonly domain: string;
  /** What each of its losses counts for in the loss over all; above 0. */
  readonly weight: number;
  /** Tokens that were predicted. */
  readonly tokens: number;
  /** Their cross entropy in nats, added up. */
  readonly loss: number;
  /** Exact loads `[layers][experts]`. */
  readonly counts: readonly Counts[];
}

/** Blocks of a domain at most: enough for an interval, few enough to be kept with every run. */
const MOST_BLOCKS = 32;

/**
 * Makes blocks of batches as they come, one domain after the other. Where a domain comes to more than 32 of them,
 * neighbours become one: so it ends with 17 to 32 equally long ones but for the last, or one a batch.
 */
export class BlockRecorder {
  readonly #domains = new Map<string, { span: number; batches: number; blocks: HeldOutBlock[] }>();

  /** Adds a batch, itself as a block. */
  add(batch: HeldOutBlock): void {
    let domain = this.#domains.get(batch.domain);
    if (domain === undefined) this.#domains.set(batch.domain, (domain = { span: 1, batches: 0, blocks: [] }));
    const { blocks } = domain;
    if (domain.batches % domain.span > 0) blocks.push(joined(blocks.pop()!, batch));
    else blocks.push(batch);
    domain.batches++;
    if (blocks.length > MOST_BLOCKS) {
      domain.span *= 2;
      domain.blocks = pairs(blocks);
    }
  }

  /** All of them, in their order. */
  blocks(): HeldOutBlock[] {
    return Array.from(this.#domains.values()).flatMap(({ blocks }) => blocks);
  }
}

function pairs(blocks: readonly HeldOutBlock[]): HeldOutBlock[] {
  return blocks.flatMap((block, i) => {
    const next = blocks[i + 1];
    if (i % 2 > 0) return [];
    return [next === undefined ? block : joined(block, next)];
  });
}

function joined(a: HeldOutBlock, b: HeldOutBlock): HeldOutBlock {
  return {
    ...a,
    tokens: a.tokens + b.tokens,
    loss: a.loss + b.loss,
    counts: a.counts.map((layer, l) => Float64Array.from(layer, (count, expert) => count + b.counts[l]![expert]!)),
  };
}
