/**
 * Optimiser, schedule, training loop, evaluation, checkpoints and run folders. Node only; browsers import
 * @lpr/train/browser.
 */
export * from './checkpoint.ts';
export { describeEnvironment, type Environment } from './environment.ts';
export * from './evaluate.ts';
export { hasCode, writeWhole } from './files.ts';
export { measureGradientNorms } from './gradient-norms.ts';
export { isLocked, lockFolder } from './lock.ts';
export {
  type EvaluationLine,
  type MetricsLine,
  type PartNorms,
  readEvaluations,
  readMetrics,
  RunLogs,
} from './logs.ts';
export * from './run-folder.ts';
export { type EvaluationOptions, type RunEvaluation } from './run-evaluation.ts';
export * from './run.ts';
export * from './schedule.ts';
export { loadNewestWeights } from './snapshot.ts';
export { LossSpikeError, type LossSpikeOptions } from './spikes.ts';
export { DivergedError, type LossTermValue, type StepReport, Trainer, type TrainerOptions } from './trainer.ts';
