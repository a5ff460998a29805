/** Optimiser, schedule, training loop, evaluation, checkpoints and run folders. Node only; browsers import @lpr/train/browser. */
export * from './checkpoint.ts';
export * from './evaluate.ts';
export { hasCode, writeWhole } from './files.ts';
export { lockFolder } from './lock.ts';
export * from './optimizer.ts';
export * from './run-folder.ts';
export * from './run.ts';
export * from './schedule.ts';
export { DivergedError, type LossTermValue, type StepReport, Trainer, type TrainerOptions } from './trainer.ts';
