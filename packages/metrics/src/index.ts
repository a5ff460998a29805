/**
 * Load-balance, router-health and specialisation figures from plain arrays; what they are worth; exact records of loads
 * and routing.
 */
export * from './balance.ts';
export * from './ema.ts';
export * from './health.ts';
export * from './loads.ts';
export { type Matrix, symmetricEigen, type SymmetricEigen } from './matrix.ts';
export * from './placement.ts';
export * from './principal-components.ts';
export * from './references.ts';
export * from './specialisation.ts';
export * from './trace-figures.ts';
export * from './traces.ts';
