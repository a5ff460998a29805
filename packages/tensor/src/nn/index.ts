/**
 * @lpr/tensor/nn: what networks are built with, beside ops: parameters as descriptions, the optimiser, and tools around
 * recording.
 */
export * from './graph.ts';
export * from './module.ts';
export { MOMENT_BYTES, MOMENT_TYPES, type MomentType } from './moments.ts';
export * from './optimizer.ts';
export * from './parameters.ts';
export * from './unit-rows.ts';
