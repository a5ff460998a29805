/**
 * What kernels read and make. A value never changes: a kernel that updates a buffer makes a new value from the old one,
 * and the buffer then holds the new one. So copies cost nothing (two buffers hold one value), and a read sees the
 * moment of its call.
 */
import type { Recipe } from './recipe.ts';

/** A block of device memory, a part of one, or a recipe for one, with a count of its users. */
export class Value {
  readonly elements: number;
  /** How to compute it, while nobody needed it in memory. */
  recipe: Recipe | null;
  /** The value whose block this one is a part of: itself when it has its own. Of no meaning while there is a recipe. */
  whole: Value;
  /** Where the part begins. */
  readonly offset: number;
  /** Null until the launch that makes it has run, and for parts. */
  block: unknown = null;
  /** A part counts as one user of its whole, a recipe as one of each of its inputs. */
  users = 1;

  constructor(elements: number, from: { whole?: Value; offset?: number; recipe?: Recipe } = {}) {
    this.elements = elements;
    this.recipe = from.recipe ?? null;
    this.whole = from.whole ?? this;
    this.offset = from.offset ?? 0;
  }
}
