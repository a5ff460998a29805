/** The sum of an ordered reduction, on the side of whoever owns a part of it. */

/** Where what a rank adds to its part of a leaf lies in a bucket. */
export interface BucketPart<Leaf> {
  readonly leaf: Leaf;
  readonly at: number;
  readonly length: number;
}

/**
 * Adds what all ranks computed to the sums, one rank after the other, and of each rank in the order of the buckets: so
 * does a rank that computes the micro-batches of all of them itself. The first number is taken as it is.
 *
 * @param received of each bucket, a row a rank
 */
export function addInOrder<Leaf>(
  sums: Map<Leaf, Float32Array>,
  buckets: readonly { readonly parts: readonly BucketPart<Leaf>[]; readonly received: Float32Array }[],
  ranks: number,
): void {
  for (let rank = 0; rank < ranks; rank++) {
    for (const { parts, received } of buckets) {
      const row = rank * (received.length / ranks);
      for (const { leaf, at, length } of parts) {
        const added = received.subarray(row + at, row + at + length);
        const sum = sums.get(leaf);
        if (sum === undefined) sums.set(leaf, added.slice());
        // Rounded to f32 at each sum, as the device does it.
        else for (let i = 0; i < length; i++) sum[i]! += added[i]!;
      }
    }
  }
}
