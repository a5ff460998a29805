/**
 * What kernels read and make. A value never changes: a kernel that updates a buffer makes a new value from the old one, and
 * the buffer then holds the new one. So copies cost nothing (two buffers hold one value), and a read sees the moment of its call.
 */

/** A block of device memory, or a part of one, with a count of its users. */
export class Value {
  readonly elements: number;
  /** The value whose block this one is a part of: itself when it has its own. */
  readonly whole: Value;
  /** Where the part begins. */
  readonly offset: number;
  /** Null until the launch that makes it has run, and for parts. */
  block: unknown = null;
  /** A part counts as one user of its whole. */
  users = 1;

  constructor(elements: number, whole: Value | null = null, offset = 0) {
    this.elements = elements;
    this.whole = whole ?? this;
    this.offset = offset;
  }
}
