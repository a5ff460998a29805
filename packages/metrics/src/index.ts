/** Load-balance and specialisation figures from plain count arrays; what they are worth; exact records of loads. */
export * from './balance.ts';
export * from './ema.ts';
export * from './loads.ts';
export * from './references.ts';
export * from './specialisation.ts';
export * from './traces.ts';
