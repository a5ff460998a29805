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

// ---- runtime -------------------------------------------------------------------------------------------------------

/** Words: destination, source, bytes. A tile copies COPY_TILE_BYTES. */
export const COPY = 3841;
export const COPY_TILE_BYTES = 262144;
