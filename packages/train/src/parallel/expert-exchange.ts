/** How rows reach experts that lie on several ranks: over a channel of their own, beside that of the gradients. */
import type { Channel } from '@lpr/mpi';
import { type ExpertRanks, expertsOfRank } from '@lpr/moe';
import type { AllToAll } from '@lpr/tensor';

/** What an exchange saw of a step. */
export interface ExchangeRecord {
  readonly bytesSent: number;
  /** Of each pass through the experts of a layer: rows of the rank that got the most over their mean. */
  readonly loads: readonly number[];
  /** Milliseconds that this rank waited for what experts of others made, each time; of all ranks as many. */
  readonly waits: readonly number[];
}

export class ExpertExchange implements ExpertRanks {
  readonly rank: number;
  readonly size: number;
  /**
   * Calls the other ranks to a layer, where only this one has tokens and they wait for orders; null: all ranks have
   * tokens, and come by themselves.
   */
  call: ((layer: number) => Promise<void>) | null = null;
  readonly #channel: Channel;
  #bytesBefore = 0;
  #loads: number[] = [];
  #waits: number[] = [];
  /** Whether the next rows come back from experts; else they go there. */
  #isReturn = false;

  /** @param channel on which nothing else is sent while a model computes */
  constructor(channel: Channel) {
    this.#channel = channel;
    this.rank = channel.rank;
    this.size = channel.size;
  }

  async begin(layer: number): Promise<void> {
    await this.call?.(layer);
  }

  async gatherCounts(own: Int32Array): Promise<Int32Array> {
    const all = new Int32Array(own.length * this.size);
    await this.#channel.allGather(own, all);
    this.#loads.push(slowestLoad(all, own.length, this.size));
    this.#isReturn = false;
    return all;
  }

  readonly allToAll: AllToAll = async (send, sent, into, received) => {
    const start = performance.now();
    await this.#channel.allToAllV(send, sent, into, received);
    // There and back, forwards as backwards.
    if (this.#isReturn) this.#waits.push(performance.now() - start);
    this.#isReturn = !this.#isReturn;
  };

  /** A step begins: what was seen before belongs to others. */
  startStep(): void {
    this.#bytesBefore = this.#channel.bytesSent;
    this.#loads = [];
    this.#waits = [];
  }

  /** What was seen since the step began. */
  get seen(): ExchangeRecord {
    return { bytesSent: this.#channel.bytesSent - this.#bytesBefore, loads: this.#loads, waits: this.#waits };
  }
}

/** @param counts of all ranks' rows, `[size, experts]` */
function slowestLoad(counts: Int32Array, experts: number, size: number): number {
  const rows = Array.from({ length: size }, (_, rank) => {
    const [first, end] = expertsOfRank(experts, { rank, size });
    return counts.reduce((sum, count, i) => (i % experts >= first && i % experts < end ? sum + count : sum), 0);
  });
  const total = rows.reduce((a, b) => a + b, 0);
  return total === 0 ? 1 : (Math.max(...rows) * size) / total;
}
