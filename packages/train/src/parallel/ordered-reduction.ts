/**
 * Gradients of a step added up over ranks in the order of its micro-batches, as one rank adds them that computes all.
 *
 * Each rank owns a part of every parameter (`partOf`). What a backward pass adds to a gradient is sent as soon as a
 * bucket of it is there, while the pass goes on: each owner gets its part from every other rank (a reduce-scatter whose
 * sum is the owner's own, in order), and when all micro-batches are through, each gives its sums to all. Large
 * gradients are sent from where the pass left them, and the sums are received where the optimiser reads them, in the
 * device's own memory where it can be reached (wasm); small ones are packed, so that a bucket is few messages.
 *
 * With m micro-batches a rank, size N and P numbers, a rank sends `4 P (m + 1) (N - 1) / N` bytes a step, where a ring
 * of MPI_Allreduce sends `4 P * 2 (N - 1) / N`: the same for m = 1.
 */
import { type Communicator, partOf } from '@lpr/mpi/browser';
import {
  concatenate,
  type Device,
  HostNumbers,
  hostNumbers,
  keep,
  reshape,
  scope,
  slice,
  Tensor,
  zeros,
} from '@lpr/tensor';
import { isLarge, type Message, type MessagePart, uses } from './messages.ts';
import { type StepMemory, stepMemoryOf } from './memory.ts';

/** A gradient of which this rank adds up its part. */
interface Sum {
  /** Of a large leaf all of its numbers, else this rank's part alone. */
  readonly memory: HostNumbers;
  /** Where this rank's part lies in them. */
  readonly begin: number;
  readonly end: number;
  /** Whether something was added yet. */
  isBegun: boolean;
}

/** A message under way or arrived. */
interface Sent extends Message<Tensor> {
  /** Frees what was sent. */
  readonly release: () => void;
}

export class OrderedReduction {
  readonly #communicator: Communicator;
  readonly #device: Device;
  readonly #bucket: number;
  readonly #memory: StepMemory;
  /** What waits for a bucket, in the order in which it was recorded. */
  #open: { readonly leaf: Tensor; readonly contribution: Tensor }[] = [];
  #openNumbers = 0;
  /** Of the micro-batch that is recorded now. */
  #messages: Sent[] = [];
  /** Ranks start their exchanges in one order. */
  #started: Promise<void> = Promise.resolve();
  /** Micro-batches are added in one order. */
  #added: Promise<void> = Promise.resolve();
  /** In the order in which gradients first came. */
  readonly #sums = new Map<Tensor, Sum>();
  /** Of the large sums, which go to all ranks as soon as they are complete. */
  readonly #gathered: Promise<void>[] = [];

  /** @param bucket numbers of gradients from which on they are sent */
  constructor(communicator: Communicator, device: Device, bucket: number) {
    this.#communicator = communicator;
    this.#device = device;
    this.#bucket = bucket;
    this.#memory = stepMemoryOf(device);
  }

  /** Takes a contribution over (`GradientReceiver`). */
  readonly receive = (leaf: Tensor, contribution: Tensor): void => {
    this.#open.push({ leaf, contribution });
    this.#openNumbers += leaf.size;
    if (this.#openNumbers >= this.#bucket) this.#send();
  };

  /**
   * To be called when a micro-batch is recorded. Resolves when its gradients have been added to the sums.
   *
   * @param isLast of the step
   */
  async endMicroBatch(isLast: boolean): Promise<void> {
    if (this.#open.length > 0) this.#send();
    const messages = this.#messages;
    this.#messages = [];
    this.#added = this.#added.then(() => this.#add(messages, isLast));
    await this.#added;
  }

  /** Puts the sums of all micro-batches into the parameters. */
  async finish(): Promise<void> {
    const isOfLarge = ([leaf]: readonly [Tensor, Sum]): boolean => isLarge(leaf.size, this.#bucket);
    const sums = [...this.#sums];
    const small = sums.filter((each) => !isOfLarge(each));
    if (small.length > 0) await this.#shareSmall(small);
    await Promise.all(this.#gathered);
    for (const [leaf, { memory }] of sums.filter(isOfLarge)) this.#setGradient(leaf, memory.asTensor());
  }

  /** Sends what is there when the device has computed it. */
  #send(): void {
    const open = this.#open;
    this.#open = [];
    this.#openNumbers = 0;
    const small: typeof open = [];
    for (const each of open) {
      // Before what is recorded so far is waited for: whatever its memory was used for has run then.
      if (!this.#sums.has(each.leaf)) this.#sums.set(each.leaf, this.#sumOf(each.leaf));
      if (!isLarge(each.leaf.size, this.#bucket)) small.push(each);
      else this.#post([this.#wholeOf(each.leaf)], each.contribution);
    }
    if (small.length > 0) this.#post(...this.#pack(small));
  }

  #post(parts: readonly MessagePart<Tensor>[], numbers: Tensor): void {
    const { rank, size } = this.#communicator;
    const [begin, end] = partOf(numbers.size, rank, size);
    const received = this.#memory.take((size - 1) * (end - begin));
    const computed = hostNumbers(numbers);
    computed.catch(() => {});
    const exchange = this.#started.then(async () => {
      const sent = await computed;
      return { own: sent.subarray(begin, end), done: this.#communicator.scatterParts(sent, received) };
    });
    this.#started = exchange.then(() => {});
    const own = exchange.then(async (started) => {
      await started.done;
      return started.own;
    });
    // Its failure is that of the micro-batch, which is awaited later.
    own.catch(() => {});
    this.#started.catch(() => {});
    this.#messages.push({ parts, rank, own, received, release: () => numbers.dispose() });
  }

  #wholeOf(leaf: Tensor): MessagePart<Tensor> {
    const { rank, size } = this.#communicator;
    const [begin, end] = partOf(leaf.size, rank, size);
    return { leaf, at: 0, length: end - begin };
  }

  /** Small gradients as one tensor, `[size, numbers of the parts]`; frees them. */
  #pack(small: readonly { readonly leaf: Tensor; readonly contribution: Tensor }[]): [MessagePart<Tensor>[], Tensor] {
    const { size } = this.#communicator;
    const rows = (): Tensor[] => small.map(({ contribution }) => inParts(contribution, size));
    const packed = keep(scope(this.#device, () => concatenate(rows(), 1), { gradients: false }));
    let at = 0;
    const parts = small.map(({ leaf, contribution }) => {
      contribution.dispose();
      const length = Math.ceil(leaf.size / size);
      at += length;
      return { leaf, at: at - length, length };
    });
    return [parts, packed];
  }

  #sumOf({ size: numbers }: Tensor): Sum {
    const { rank, size } = this.#communicator;
    if (isLarge(numbers, this.#bucket)) {
      const [begin, end] = partOf(numbers, rank, size);
      return { memory: this.#memory.kept(this.#sums.size, numbers), begin, end, isBegun: false };
    }
    const end = Math.ceil(numbers / size);
    return { memory: this.#memory.kept(this.#sums.size, end), begin: 0, end, isBegun: false };
  }

  /** Adds a micro-batch of each rank, each leaf when its last message has arrived. */
  async #add(messages: readonly Sent[], isLast: boolean): Promise<void> {
    const { size } = this.#communicator;
    for await (const { leaf, terms, released } of uses<Tensor, Sent>(messages, size)) {
      const sum = this.#sums.get(leaf)!;
      const { memory, begin, end } = sum;
      memory.setSum(begin, end, sum.isBegun ? [memory.numbers.subarray(begin, end), ...terms] : terms);
      sum.isBegun = true;
      for (const message of released) message.release();
      // All ranks have started to exchange gradients before they start to exchange sums, and in one order.
      if (isLast && isLarge(leaf.size, this.#bucket)) this.#gather(memory.numbers);
    }
    for (const { received } of messages) this.#memory.give(received);
  }

  #gather(all: Float32Array): void {
    const gathered = this.#started.then(() => ({ done: this.#communicator.gatherParts(all) }));
    this.#started = gathered.then(() => {});
    this.#started.catch(() => {});
    const done = gathered.then(async ({ done }) => await done);
    done.catch(() => {});
    this.#gathered.push(done);
  }

  /** The sums of small leaves, all at once. */
  async #shareSmall(sums: readonly (readonly [Tensor, Sum])[]): Promise<void> {
    const { rank, size } = this.#communicator;
    const length = sums.reduce((total, [, { end }]) => total + end, 0);
    const memory = this.#memory.kept('small', size * length);
    // Kernels that were recorded before may still use its memory, for what had it then.
    await this.#device.synchronize();
    let to = rank * length;
    for (const [, { memory: own, end }] of sums) {
      memory.numbers.set(own.numbers.subarray(0, end), to);
      to += end;
    }
    this.#gather(memory.numbers);
    await Promise.all(this.#gathered);
    const all = reshape(memory.asTensor(), [size, length]);
    let at = 0;
    for (const [leaf, { end }] of sums) {
      const part = scope(this.#device, () => {
        const padded = reshape(slice(all, 1, at, at + end), [size * end]);
        return leaf.size === padded.size ? padded : slice(padded, 0, 0, leaf.size);
      });
      this.#setGradient(leaf, part);
      part.dispose();
      at += end;
    }
  }

  #setGradient(leaf: Tensor, sharing: Tensor): void {
    leaf.grad = keep(new Tensor(this.#device, leaf.shape, 'f32', { sharing }));
  }
}

/** As `[size, n]`: a row for each rank, the last filled up with zeros. */
function inParts(x: Tensor, size: number): Tensor {
  const length = Math.ceil(x.size / size);
  const flat = reshape(x, [x.size]);
  const missing = size * length - x.size;
  return reshape(missing === 0 ? flat : concatenate([flat, zeros(x.device, [missing])], 0), [size, length]);
}
