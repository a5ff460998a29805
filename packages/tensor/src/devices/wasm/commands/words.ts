/**
 * Words: the arguments of a command, one after the other in its slot of the queue, 4 bytes each. What a command is told
 * is declared here and in the files of its family, once for both sides: recording takes an object with exactly these
 * names (recorder.ts), and the compiled kernels read them through classes that the build makes of the same declarations
 * (scripts/command-classes.ts). A word that only one side knows does not compile.
 */
import type { DeviceBuffer } from '../../device.ts';

/**
 * What a word holds. `address`: where memory begins, in bytes; `i32`, `u32`: whole numbers; `f32`: a number, rounded;
 * `flag`: 1 for true; `axes`: the number of outer axes of a box, whose sizes and strides follow behind all words.
 */
export type WordType = 'address' | 'i32' | 'u32' | 'f32' | 'flag' | 'axes';

/** Words by name, in the order in which they lie. */
export type Layout = Readonly<Record<string, WordType>>;

/** An outer axis of a box that two buffers share: its size, and the strides of both in elements. */
export interface Axis {
  readonly size: number;
  readonly first: number;
  readonly second: number;
}

interface WordValues {
  /** A buffer of the device, the byte address of memory of its own, or null for none (0). */
  readonly address: DeviceBuffer | number | null;
  readonly i32: number;
  readonly u32: number;
  readonly f32: number;
  readonly flag: boolean;
  readonly axes: readonly Axis[];
}

/** What must be given for each word. */
export type Words<L extends Layout> = { readonly [Name in keyof L]: WordValues[L[Name]] };

/**
 * What commands begin with that are cut into tiles alike, and what stands in rows behind words or in tables; see
 * assembly/tiles.ts.
 */
export const shared = {
  /** A tile is a chunk of the elements. */
  FLAT: { count: 'i32', chunk: 'i32' },
  /** A tile is some rows of the last axis ("inner"), or a chunk of one row. */
  BOX: { rows: 'i32', inner: 'i32', rowsPerTile: 'i32', chunksPerRow: 'i32', chunkColumns: 'i32' },
  /** A tile is some rows of a matrix. */
  ROWS: { rows: 'i32', columns: 'i32', rowsPerTile: 'i32' },
  AXIS: { size: 'i32', first: 'i32', second: 'i32' },
} as const;
