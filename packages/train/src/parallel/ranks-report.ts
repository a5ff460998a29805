/** What ranks sent each other in a step, and how they waited for each other. */
import type { Channel } from '@lpr/mpi';
import type { ExchangeRecord } from './expert-exchange.ts';

/** Means over the ranks, a step. */
export interface RanksReport {
  /** Bytes that a rank sends for gradients, statistics and the like. */
  readonly sentGradients: number;
  /** Bytes that a rank sends for tokens on their way to experts and back; 0 where each rank has all experts. */
  readonly sentTokens: number;
  /** Rows of the rank whose experts got the most over the mean of all; left out where each has all experts. */
  readonly slowestLoad?: number;
  /**
   * Milliseconds lost to imbalance: what a rank waits for experts of others beyond what the rank does that waits the
   * least, and only for the messages; left out likewise.
   */
  readonly imbalance?: number;
}

/**
 * The same on all ranks, which call it at the end of a step.
 *
 * @param sentGradients bytes that this rank sent
 */
export async function ranksReport(
  channel: Channel,
  sentGradients: number,
  seen: ExchangeRecord | null,
): Promise<RanksReport> {
  if (seen === null) return { sentGradients, sentTokens: 0 };
  const own = Float64Array.of(sentGradients, seen.bytesSent, ...seen.waits);
  const all = new Float64Array(own.length * channel.size);
  await channel.allGather(new Uint8Array(own.buffer), new Uint8Array(all.buffer));
  const ranks = Array.from({ length: channel.size }, (_, rank) =>
    all.subarray(rank * own.length, (rank + 1) * own.length),
  );
  const [meanGradients, sentTokens, ...waits] = Array.from(own, (_, i) => mean(ranks.map((numbers) => numbers[i]!)));
  const least = seen.waits.map((_, i) => Math.min(...ranks.map((numbers) => numbers[i + 2]!)));
  return {
    sentGradients: meanGradients!,
    sentTokens: sentTokens!,
    slowestLoad: seen.loads.length === 0 ? 1 : mean(seen.loads),
    imbalance: waits.reduce((sum, wait, i) => sum + wait - least[i]!, 0),
  };
}

/** Of each number its mean over steps. */
export function meanReport(steps: readonly RanksReport[]): RanksReport | null {
  const [first] = steps;
  if (first === undefined) return null;
  const of = (key: keyof RanksReport): number => mean(steps.map((step) => step[key] ?? 0));
  const sent = { sentGradients: of('sentGradients'), sentTokens: of('sentTokens') };
  return first.slowestLoad === undefined
    ? sent
    : { ...sent, slowestLoad: of('slowestLoad'), imbalance: of('imbalance') };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
