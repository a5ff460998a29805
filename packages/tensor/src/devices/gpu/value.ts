/**
 * What kernels read and make. A value never changes: a kernel that updates a buffer makes a new value from the old one, and
 * the buffer then holds the new one. So copies cost nothing (two buffers hold one value), and a read sees the moment of its call.
 */

/** A block of device memory with a count of its users; without a block until the launch that makes it has run. */
export class Value {
  readonly elements: number;
  block: unknown = null;
  users = 1;

  constructor(elements: number) {
    this.elements = elements;
  }
}
