/**
 * Hands out blocks of the shared memory. Two-level segregated fit (Masmano et al. 2004): free blocks are kept in lists
 * by size, 16 lists between neighbouring powers of two, with bitmaps that say which lists are not empty; neighbouring
 * free blocks are merged at once. Allocating and freeing take constant time. All book-keeping lives outside the shared
 * memory.
 */

/** Blocks start at multiples of this many bytes and are as long as a multiple of it. */
export const ALIGNMENT = 64;

/** Lists between neighbouring powers of two, as a power of two. */
const SPLIT_BITS = 4;
const SPLITS = 1 << SPLIT_BITS;
/** Blocks of the fitting list that are looked at before a list with larger blocks is taken. */
const PROBES = 8;

/** Lengths and addresses are in units of ALIGNMENT bytes, so that 4 GiB fit a small integer. */
export interface Block {
  address: number;
  length: number;
  isFree: boolean;
  /** Neighbours in memory. */
  before: Block | null;
  after: Block | null;
  /** Neighbours in the list of free blocks. */
  previous: Block | null;
  next: Block | null;
}

/** Number of the list that holds free blocks of this length. */
function listOf(length: number): number {
  if (length < SPLITS) return length;
  const power = 31 - Math.clz32(length);
  return ((power - SPLIT_BITS + 1) << SPLIT_BITS) + ((length >>> (power - SPLIT_BITS)) & (SPLITS - 1));
}

export class Allocator {
  /** Bytes in blocks that are handed out, rounded up to the alignment. */
  get usedBytes(): number {
    return this.#used * ALIGNMENT;
  }

  readonly #extend: (end: number) => number;
  #used = 0;
  #end: number;
  #last: Block | null = null;
  readonly #lists: (Block | null)[] = Array.from({ length: listOf(2 ** 26) + 1 }, () => null);
  /** Bit r: some list of row r (16 lists) is not empty; and, for each row, which. */
  #rows = 0;
  readonly #columns: number[] = Array.from({ length: (this.#lists.length >> SPLIT_BITS) + 1 }, () => 0);

  /**
   * @param start First byte to hand out, a multiple of ALIGNMENT; there is no memory behind it yet.
   * @param extend Asked for memory up to the byte `end` or further; returns the new end, or a smaller number than `end`
   *   when there is no more.
   */
  constructor(start: number, extend: (end: number) => number) {
    this.#extend = extend;
    this.#end = start / ALIGNMENT;
  }

  /** A block of at least `bytes` bytes, or null when no memory is left. */
  allocate(bytes: number): Block | null {
    const length = Math.max(1, Math.ceil(bytes / ALIGNMENT));
    const block = this.#find(length) ?? this.#grow(length);
    if (block === null) return null;
    this.#unlink(block);
    if (block.length > length) this.#split(block, length);
    block.isFree = false;
    this.#used += length;
    return block;
  }

  free(block: Block): void {
    this.#used -= block.length;
    this.#insert(block);
  }

  /** The longest block that could be allocated without more memory. */
  largestFreeBytes(): number {
    let largest = 0;
    for (let list = this.#lists.length - 1; list >= 0 && largest === 0; list--) {
      for (let block = this.#lists[list] ?? null; block; block = block.next) largest = Math.max(largest, block.length);
    }
    return largest * ALIGNMENT;
  }

  /** The first free block found in the list of this length, else any block of a list with longer ones. */
  #find(length: number): Block | null {
    const list = listOf(length);
    let block: Block | null = this.#lists[list]!;
    for (let probes = 0; block && probes < PROBES; probes++, block = block.next) {
      if (block.length >= length) return block;
    }
    let row = (list + 1) >> SPLIT_BITS;
    let columns = this.#columns[row]! & (-1 << ((list + 1) & (SPLITS - 1)));
    if (columns === 0) {
      const rows = this.#rows & ~((2 << row) - 1);
      if (rows === 0) return null;
      row = lowestBit(rows);
      columns = this.#columns[row]!;
    }
    return this.#lists[(row << SPLIT_BITS) + lowestBit(columns)]!;
  }

  #grow(length: number): Block | null {
    const last = this.#last;
    const missing = last?.isFree ? length - last.length : length;
    const end = Math.floor(this.#extend((this.#end + missing) * ALIGNMENT) / ALIGNMENT);
    if (end < this.#end + missing) return null;
    const block = newBlock(this.#end, end - this.#end, last, null);
    if (last) last.after = block;
    this.#last = block;
    this.#end = end;
    return this.#insert(block);
  }

  /** Cuts what is behind `length` off a block that is in no list. */
  #split(block: Block, length: number): void {
    const rest = newBlock(block.address + length, block.length - length, block, block.after);
    if (block.after) block.after.before = rest;
    else this.#last = rest;
    block.after = rest;
    block.length = length;
    this.#link(rest);
  }

  /** Merges a block that is in no list with its free neighbours and puts the whole into a list. */
  #insert(block: Block): Block {
    const { before, after } = block;
    if (after?.isFree) {
      this.#unlink(after);
      this.#absorb(block, after);
    }
    if (before?.isFree) {
      this.#unlink(before);
      this.#absorb(before, block);
      this.#link(before);
      return before;
    }
    this.#link(block);
    return block;
  }

  #absorb(block: Block, after: Block): void {
    block.length += after.length;
    block.after = after.after;
    if (after.after) after.after.before = block;
    else this.#last = block;
  }

  #link(block: Block): void {
    const list = listOf(block.length);
    const next = this.#lists[list]!;
    block.isFree = true;
    block.previous = null;
    block.next = next;
    if (next) next.previous = block;
    this.#lists[list] = block;
    this.#columns[list >> SPLIT_BITS]! |= 1 << (list & (SPLITS - 1));
    this.#rows |= 1 << (list >> SPLIT_BITS);
  }

  #unlink(block: Block): void {
    const { previous, next } = block;
    block.previous = null;
    block.next = null;
    block.isFree = false;
    if (next) next.previous = previous;
    if (previous) {
      previous.next = next;
      return;
    }
    const list = listOf(block.length);
    this.#lists[list] = next;
    if (next) return;
    const row = list >> SPLIT_BITS;
    this.#columns[row]! &= ~(1 << (list & (SPLITS - 1)));
    if (this.#columns[row] === 0) this.#rows &= ~(1 << row);
  }
}

function newBlock(address: number, length: number, before: Block | null, after: Block | null): Block {
  return { address, length, isFree: false, before, after, previous: null, next: null };
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
