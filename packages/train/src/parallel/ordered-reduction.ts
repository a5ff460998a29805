/**
 * Gradients of a step added up over ranks in the order of its micro-batches, as one rank adds them that computes all.
 *
 * Each rank owns a part of every parameter: elements `rank * n .. (rank + 1) * n`, n the size over the number of ranks,
 * rounded up. What a backward pass adds to a gradient is sent as soon as a bucket of it is there, while the pass goes
 * on: each owner gets its part from every rank (a reduce-scatter whose sum is the owner's own, in order), and when all
 * micro-batches are through, each gives its sums to all. Numbers are sent from, and the sums are received in, the
 * device's own memory where it can be reached (wasm).
 *
 * With m micro-batches a rank, size N and P numbers, a rank sends `4 P (m + 1) (N - 1) / N` bytes a step, where a ring
 * of MPI_Allreduce sends `4 P * 2 (N - 1) / N`: the same for m = 1.
 */
import type { Communicator } from '@lpr/mpi';
import {
  concatenate,
  type Device,
  hostNumbers,
  keep,
  receiveInto,
  reshape,
  scope,
  slice,
  Tensor,
  zeros,
} from '@lpr/tensor';
import { addInOrder, type BucketPart } from './add-in-order.ts';
import { type ReceiveBuffers, receiveBuffersOf } from './memory.ts';

/** A bucket under way or arrived. */
interface Bucket {
  readonly parts: readonly BucketPart<Tensor>[];
  /** This micro-batch's share of all ranks, `[size, numbers of the parts]`. */
  readonly received: Float32Array;
  readonly done: Promise<void>;
}

export class OrderedReduction {
  readonly #communicator: Communicator;
  readonly #device: Device;
  readonly #bucket: number;
  readonly #buffers: ReceiveBuffers;
  /** What waits for a bucket, in the order in which it was recorded. */
  #open: { readonly leaf: Tensor; readonly contribution: Tensor }[] = [];
  #openNumbers = 0;
  /** Of the micro-batch that is recorded now. */
  #buckets: Bucket[] = [];
  /** Ranks start their exchanges in one order. */
  #started: Promise<void> = Promise.resolve();
  /** Micro-batches are added in one order. */
  #added: Promise<void> = Promise.resolve();
  /** This rank's part of each gradient; in the order in which gradients first came. */
  readonly #sums = new Map<Tensor, Float32Array>();

  /** @param bucket numbers of gradients from which on they are sent */
  constructor(communicator: Communicator, device: Device, bucket: number) {
    this.#communicator = communicator;
    this.#device = device;
    this.#bucket = bucket;
    this.#buffers = receiveBuffersOf(communicator);
  }

  /** Takes a contribution over (`GradientReceiver`). */
  readonly receive = (leaf: Tensor, contribution: Tensor): void => {
    this.#open.push({ leaf, contribution });
    this.#openNumbers += leaf.size;
    if (this.#openNumbers >= this.#bucket) this.#send();
  };

  /** To be called when a micro-batch is recorded. Resolves when its gradients have been added to the sums. */
  async endMicroBatch(): Promise<void> {
    if (this.#open.length > 0) this.#send();
    const buckets = this.#buckets;
    this.#buckets = [];
    const before = this.#added;
    this.#added = Promise.all([before, ...buckets.map(({ done }) => done)]).then(() => {
      addInOrder(this.#sums, buckets, this.#communicator.size);
      for (const { received } of buckets) this.#buffers.give(received);
    });
    await this.#added;
  }

  /** Puts the sums of all micro-batches into the parameters. */
  async finish(): Promise<void> {
    let group: [Tensor, Float32Array][] = [];
    let numbers = 0;
    for (const entry of this.#sums) {
      group.push(entry);
      numbers += entry[0].size;
      if (numbers < this.#bucket) continue;
      await this.#share(group);
      [group, numbers] = [[], 0];
    }
    if (group.length > 0) await this.#share(group);
  }

  /** Packs what is there into a bucket, and sends it when the device has computed it. */
  #send(): void {
    const { size } = this.#communicator;
    const open = this.#open;
    this.#open = [];
    this.#openNumbers = 0;
    const packed = keep(
      scope(
        this.#device,
        () =>
          concatenate(
            open.map(({ contribution }) => inParts(contribution, size)),
            1,
          ),
        {
          gradients: false,
        },
      ),
    );
    let at = 0;
    const parts = open.map(({ leaf, contribution }) => {
      contribution.dispose();
      const length = Math.ceil(leaf.size / size);
      const part = { leaf, at, length };
      at += length;
      return part;
    });
    const received = this.#buffers.take(packed.size);
    const numbers = hostNumbers(packed);
    numbers.catch(() => {});
    const exchange = this.#started.then(async () => {
      const send = await numbers;
      return { done: this.#communicator.allToAll(send, received) };
    });
    this.#started = exchange.then(() => {});
    const done = exchange.then(async ({ done }) => await done).finally(() => packed.dispose());
    // Its failure is that of the micro-batch, which is awaited later.
    done.catch(() => {});
    this.#started.catch(() => {});
    this.#buckets.push({ parts, received, done });
  }

  async #share(group: readonly (readonly [Tensor, Float32Array])[]): Promise<void> {
    const { size } = this.#communicator;
    const own = new Float32Array(group.reduce((sum, [, part]) => sum + part.length, 0));
    let end = 0;
    for (const [, part] of group) {
      own.set(part, end);
      end += part.length;
    }
    const all = new Tensor(this.#device, [size, own.length]);
    await receiveInto(all, (numbers) => this.#communicator.allGather(own, numbers));
    scope(
      this.#device,
      () => {
        let at = 0;
        for (const [leaf, { length }] of group) {
          const padded = reshape(slice(all, 1, at, at + length), [size * length]);
          const values = leaf.size === padded.size ? padded : slice(padded, 0, 0, leaf.size);
          leaf.grad = keep(new Tensor(this.#device, leaf.shape, 'f32', { sharing: values }));
          at += length;
        }
      },
      { gradients: false },
    );
    all.dispose();
  }
}

/** As `[size, n]`: a row for each rank, the last filled up with zeros. */
function inParts(x: Tensor, size: number): Tensor {
  const length = Math.ceil(x.size / size);
  const flat = reshape(x, [x.size]);
  const missing = size * length - x.size;
  return reshape(missing === 0 ? flat : concatenate([flat, zeros(x.device, [missing])], 0), [size, length]);
}
