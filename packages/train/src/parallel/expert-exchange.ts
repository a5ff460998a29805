/** How rows reach experts that lie on several ranks: over a channel of their own, beside that of the gradients. */
import type { Channel } from '@lpr/mpi';
import type { ExpertRanks } from '@lpr/moe';
import type { AllToAll } from '@lpr/tensor';

export class ExpertExchange implements ExpertRanks {
  readonly rank: number;
  readonly size: number;
  /**
   * Calls the other ranks to a layer, where only this one has tokens and they wait for orders; null: all ranks have
   * tokens, and come by themselves.
   */
  call: ((layer: number) => Promise<void>) | null = null;
  readonly #channel: Channel;

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
    return all;
  }

  readonly allToAll: AllToAll = async (send, sent, into, received) =>
    await this.#channel.allToAllV(send, sent, into, received);
}
