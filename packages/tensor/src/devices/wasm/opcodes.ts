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

export const MATMUL_PRODUCT = MATMUL * 256;

export const GROUPED_MATMUL = GROUPED * 256;
export const GROUPED_TRANSPOSED = GROUPED * 256 + 1;

export const ATTENTION_PACK = ATTENTION * 256;
export const ATTENTION_FORWARD = ATTENTION * 256 + 1;
export const ATTENTION_BACKWARD = ATTENTION * 256 + 2;
export const ATTENTION_COMBINE = ATTENTION * 256 + 3;
/** Queries and keys of a block of scores: multiples of the strips and panels of assembly/gemm.ts, keys of queries too. */
export const ATTENTION_QUERIES = 60;
export const ATTENTION_KEYS = 120;
