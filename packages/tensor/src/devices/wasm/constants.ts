/**
 * Numbers that recording and kernels share. Read by TypeScript (which records commands) and by AssemblyScript (which
 * runs them), so this file holds plain integer constants only.
 */

// What UNARY and UNARY_BACKWARD, BINARY, and the reductions compute.
export const OP_NEGATE = 0;
export const OP_ABS = 1;
export const OP_SIGN = 2;
export const OP_RECIPROCAL = 3;
export const OP_SQUARE = 4;
export const OP_SQRT = 5;
export const OP_RSQRT = 6;
export const OP_EXP = 7;
export const OP_LOG = 8;
export const OP_SIGMOID = 9;
export const OP_SILU = 10;
export const OP_RELU = 11;
export const OP_TANH = 12;
export const OP_SOFTPLUS = 13;

export const OP_ADD = 0;
export const OP_SUBTRACT = 1;
export const OP_MULTIPLY = 2;
export const OP_DIVIDE = 3;
export const OP_MAXIMUM = 4;
export const OP_MINIMUM = 5;
export const OP_GREATER = 6;
export const OP_EQUAL = 7;

export const OP_SUM = 0;
export const OP_MAX = 1;
export const OP_MIN = 2;

/** Bytes that a tile of COPY_BYTES copies. */
export const COPY_TILE_BYTES = 262144;

/** Up to so many rows of A, reading B where it lies beats packing it: a B that is transposed, and one that is not. */
export const MATMUL_FEW_ROWS = 4;
export const MATMUL_FEW_ROWS_IN_ORDER = 24;
/** Columns that a tile packs. */
export const MATMUL_PACK_COLUMNS = 64;
/**
 * Sums are taken in equal parts of at most 2^8 steps: what a tile needs of both operands then fits the second cache.
 */
export const MATMUL_DEPTH_BITS = 8;
/**
 * Bytes of a row of such a part of A, turned: an odd number of cache lines, so that a column uses all sets of the
 * cache.
 */
export const MATMUL_TURNED_ROW = 1088;

/**
 * Queries and keys of a block of scores: multiples of the strips and panels of assembly/matmul-gemm.ts, keys of queries
 * too.
 */
export const ATTENTION_QUERIES = 60;
export const ATTENTION_KEYS = 120;
