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
