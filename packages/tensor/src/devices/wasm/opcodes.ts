/**
 * Numbers of the kernels: `family * 256 + kernel`. This file is read by TypeScript (which records commands) and by
 * AssemblyScript (which runs them), so it holds plain integer constants only.
 */

export const ELEMENTWISE = 1;
export const REDUCE = 2;
export const MATMUL = 3;
export const GROUPED = 4;
export const ATTENTION = 5;
export const LAYERS = 6;
export const LOSS = 7;
export const ROWS = 8;
export const RANDOM = 9;
export const OPTIMIZER = 10;
export const RUNTIME = 15;

// Elementwise.
export const FILL = 0x100;
export const AFFINE = 0x101;
export const UNARY = 0x102;
export const UNARY_BACKWARD = 0x103;
export const BINARY = 0x104;
export const CAST = 0x105;
export const COPY_ROWS = 0x106;
export const COPY_TRANSPOSED = 0x107;

// Reduce.
export const REDUCE_ROWS = 0x200;
export const REDUCE_BLOCKS = 0x201;
export const SUM_OF_SQUARES_PARTIAL = 0x202;
export const SUM_OF_SQUARES_COMBINE = 0x203;

// Layers.
export const RMS_NORM = 0x600;
export const RMS_NORM_BACKWARD = 0x601;
export const LAYER_NORM = 0x602;
export const LAYER_NORM_BACKWARD = 0x603;
export const SOFTMAX = 0x604;
export const SOFTMAX_BACKWARD = 0x605;
export const LOG_SUM_EXP = 0x606;
export const SWI_GLU = 0x607;
export const SWI_GLU_BACKWARD = 0x608;
export const ROPE = 0x609;

// Arguments of UNARY and UNARY_BACKWARD, BINARY, and the reductions.
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

// Loss.
export const COUNT_LABELS = 0x700;
export const SOFTMAX_CROSS_ENTROPY = 0x701;

// Rows.
export const TOP_K = 0x800;
export const TAKE_ALONG_ROWS = 0x801;
export const SCATTER_ALONG_ROWS = 0x802;
export const GATHER_ROWS = 0x803;
export const GATHER_SUM = 0x804;
export const GATHER_DOT = 0x805;
export const SEGMENT_PLAN = 0x806;
export const SEGMENT_SUM = 0x807;

// Random.
export const RANDOM_UNIFORM = 0x900;
export const RANDOM_NORMAL = 0x901;

// Optimizer.
export const ADAM_W = 0xa00;

// Matrix products and attention.
export const MATMUL_PRODUCT = 0x300;
export const MATMUL_PACK = 0x301;
export const MATMUL_TURN = 0x302;
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

export const GROUPED_MATMUL = 0x400;
export const GROUPED_TRANSPOSED = 0x401;

export const ATTENTION_PACK = 0x500;
export const ATTENTION_FORWARD = 0x501;
export const ATTENTION_BACKWARD = 0x502;
export const ATTENTION_COMBINE = 0x503;
/**
 * Queries and keys of a block of scores: multiples of the strips and panels of assembly/gemm.ts, keys of queries too.
 */
export const ATTENTION_QUERIES = 60;
export const ATTENTION_KEYS = 120;

// Runtime.
/** Words: destination, source, bytes. A tile copies COPY_TILE_BYTES. */
export const COPY = 0xf01;
export const COPY_TILE_BYTES = 262144;
