/**
 * Expert parallelism (Lepikhin et al. 2020, arXiv 2006.16668): the experts of a layer lie on several ranks, each of
 * which routes tokens of its own. A token's row goes to the ranks that own its experts, through them, and back.
 *
 * An owner takes the rows of each rank by themselves, one rank after the other, so that its experts' gradients are what
 * one rank adds up that goes through the micro-batches of all in that order, bit for bit.
 */
import {
  type AllToAll,
  concatenate,
  exchangeRows,
  type Groups,
  pauseFor,
  type Pausing,
  rowParts,
  type Tensor,
  tensor,
} from '@lpr/tensor';

/** Which experts each of some ranks owns. */
export interface ExpertShare {
  readonly rank: number;
  readonly size: number;
}

/** The ranks that own the experts of a model together. All take part in each exchange, in one order. */
export interface ExpertRanks extends ExpertShare {
  /** Called before the experts of a layer run, counted over those with experts; resolves when all take part. */
  begin(layer: number): Promise<void>;
  /** The counts of all ranks, in their order, from this one's. */
  gatherCounts(own: Int32Array): Promise<Int32Array>;
  readonly allToAll: AllToAll;
}

/**
 * The experts of a rank, `[first, end)`: all in blocks that differ by one at most. Of more ranks than experts some own
 * none.
 */
export function expertsOfRank(experts: number, { rank, size }: ExpertShare): readonly [first: number, end: number] {
  return [Math.floor((rank * experts) / size), Math.floor(((rank + 1) * experts) / size)];
}

/** Runs sorted rows through a rank's own experts. */
export type OwnExperts = (rows: Tensor, groups: Groups) => Tensor;

/**
 * What the experts of all ranks make of rows `[rows, width]` that are sorted by expert; rows beyond those of all
 * experts give 0.
 *
 * @param counts of this rank's rows, `[experts]`
 */
export function* throughRanks(rows: Tensor, counts: Int32Array, own: OwnExperts, ranks: ExpertRanks): Pausing<Tensor> {
  const { device } = rows;
  const { size } = ranks;
  const experts = counts.length;
  const all = yield* pauseFor(ranks.gatherCounts(counts));
  const [first, end] = expertsOfRank(experts, ranks);
  const countsFrom = Array.from({ length: size }, (_, from) =>
    all.subarray(from * experts + first, from * experts + end),
  );
  const received = countsFrom.map(total);
  const sent = received.map((_, rank) => total(counts.subarray(...expertsOfRank(experts, { rank, size }))));
  const { allToAll } = ranks;
  const arrived = yield* exchangeRows(rows, { sent, received, allToAll });
  const parts = rowParts(arrived, received);
  const results: Tensor[] = [];
  // Gradients flow through what was recorded last first: so rank 0's come first.
  for (let from = size - 1; from >= 0; from--) {
    const offsets = Int32Array.from([0, ...countsFrom[from]!]);
    offsets.forEach((count, i) => (offsets[i] = count + (i === 0 ? 0 : offsets[i - 1]!)));
    const groups = { offsets: tensor(device, offsets), count: received[from]!, segments: end - first };
    results.unshift(own(parts[from]!, groups));
  }
  return yield* exchangeRows(concatenate(results, 0), { sent: received, received: sent, allToAll }, rows.shape[0]);
}

function total(counts: Int32Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
