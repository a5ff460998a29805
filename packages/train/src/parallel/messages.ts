/** Messages of an ordered reduction, and what becomes of them on the side of whoever owns a part. */

/** Where what a rank adds to its part of a leaf lies among the numbers that go to one rank. */
export interface MessagePart<Leaf> {
  readonly leaf: Leaf;
  readonly at: number;
  readonly length: number;
}

/** What each rank sends to each in an exchange: contributions to gradients. */
export interface Message<Leaf> {
  readonly parts: readonly MessagePart<Leaf>[];
  /** Which of the ranks this is. */
  readonly rank: number;
  /** What the others have for it, in their order. */
  readonly received: Float32Array;
  /** What it has for itself; resolves when that of the others is there too. */
  readonly own: Promise<Float32Array>;
}

/** A leaf all of whose contributions are there. */
export interface Contributions<Leaf, Sent> {
  readonly leaf: Leaf;
  /** What is to be added to its sum, in this order. */
  readonly terms: readonly Float32Array[];
  /** Messages that are not read any more when the terms have been added. */
  readonly released: readonly Sent[];
}

/** Leaves of so many numbers, of a bucket, are a message each. */
export function isLarge(numbers: number, bucket: number): boolean {
  return numbers >= bucket / 16;
}

/**
 * The contributions to each leaf in a micro-batch of each rank, as the messages arrive: those of one rank after those
 * of the other, and of each rank in the order of the messages, as a rank goes through them that computes the
 * micro-batches of all of them itself.
 */
export async function* uses<Leaf, Sent extends Message<Leaf>>(
  messages: readonly Sent[],
  size: number,
): AsyncGenerator<Contributions<Leaf, Sent>> {
  const last = new Map<Leaf, MessagePart<Leaf>>();
  for (const { parts } of messages) for (const part of parts) last.set(part.leaf, part);
  const rows = new Map<Leaf, { readonly message: Sent; readonly ofRanks: readonly Float32Array[] }[]>();
  const unread = new Map(messages.map((message) => [message, message.parts.length]));
  for (const message of messages) {
    const own = await message.own;
    for (const part of message.parts) {
      const { leaf } = part;
      const ofRanks = Array.from({ length: size }, (_, rank) =>
        rowOf(message, own, rank).subarray(part.at, part.at + part.length),
      );
      const all = [...(rows.get(leaf) ?? []), { message, ofRanks }];
      rows.set(leaf, all);
      if (last.get(leaf) !== part) continue;
      rows.delete(leaf);
      for (const each of all) unread.set(each.message, unread.get(each.message)! - 1);
      yield {
        leaf,
        terms: Array.from({ length: size }, (_, rank) => all.map(({ ofRanks }) => ofRanks[rank]!)).flat(),
        released: [...new Set(all.map((each) => each.message))].filter((each) => unread.get(each) === 0),
      };
    }
  }
}

/** What a rank has for this one. */
function rowOf<Leaf>({ rank: self, received }: Message<Leaf>, own: Float32Array, rank: number): Float32Array {
  if (rank === self) return own;
  const from = (rank < self ? rank : rank - 1) * own.length;
  return received.subarray(from, from + own.length);
}
