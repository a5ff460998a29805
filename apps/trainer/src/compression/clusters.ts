/** Alike things in clusters: agglomerative clustering with average linkage, cut wherever one likes. */
import type { Matrix } from '@lpr/metrics';

/** Two clusters that become one. */
export interface Merge {
  /** The least of each cluster's members. */
  readonly into: number;
  readonly from: number;
  /** Mean similarity of a member of one and a member of the other. */
  readonly similarity: number;
}

/**
 * All merges of n things, the most alike clusters first (Sokal and Michener 1958); none is more alike than one before
 * it. Of equally alike pairs, the first. `similarity` `[n, n]` is symmetric. O(n^3).
 */
export function mergesOf({ rows: count, values }: Matrix): Merge[] {
  const similarity = Float64Array.from(values);
  const sizes = new Float64Array(count).fill(1);
  const alive = Array.from({ length: count }, (_, i) => i);
  const merges: Merge[] = [];
  while (alive.length > 1) {
    let best: Merge | null = null;
    for (const [at, into] of alive.entries()) {
      for (const from of alive.slice(at + 1)) {
        const own = similarity[into * count + from]!;
        if (best === null || own > best.similarity) best = { into, from, similarity: own };
      }
    }
    const { into, from } = best!;
    for (const other of alive) {
      const [a, b] = [similarity[into * count + other]!, similarity[from * count + other]!];
      const joined = (sizes[into]! * a + sizes[from]! * b) / (sizes[into]! + sizes[from]!);
      similarity[into * count + other] = joined;
      similarity[other * count + into] = joined;
    }
    sizes[into]! += sizes[from]!;
    alive.splice(alive.indexOf(from), 1);
    merges.push(best!);
  }
  return merges;
}

/** The members of each cluster, in order, once the first merges of `count` things have left that many. */
export function clustersAfter(merges: readonly Merge[], count: number, clusters: number): number[][] {
  const members = Array.from({ length: count }, (_, i) => [i]);
  for (const { into, from } of merges.slice(0, count - clusters)) {
    members[into]!.push(...members[from]!);
    members[from] = [];
  }
  return members.filter((own) => own.length > 0).map((own) => own.toSorted((a, b) => a - b));
}

/** Cosines of all pairs of rows `[n, n]`; 0 with a row of zeros. */
export function cosinesOf(rows: readonly ArrayLike<number>[]): Matrix {
  const count = rows.length;
  const products = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = i; j < count; j++) {
      const [a, b] = [rows[i]!, rows[j]!];
      let product = 0;
      for (let at = 0; at < a.length; at++) product += a[at]! * b[at]!;
      products[i * count + j] = product;
      products[j * count + i] = product;
    }
  }
  const norms = Float64Array.from(rows, (_, i) => Math.sqrt(products[i * count + i]!));
  const values = products.map((product, at) => {
    const scale = norms[Math.floor(at / count)]! * norms[at % count]!;
    return scale === 0 ? 0 : product / scale;
  });
  return { rows: count, columns: count, values };
}
