/** @lpr/train/browser: what of this package runs without a file system. */
export * from './evaluate.ts';
export * from './schedule.ts';
export { DivergedError, type LossTermValue, type StepReport, Trainer, type TrainerOptions } from './trainer.ts';
