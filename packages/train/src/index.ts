/** Schedule, training loop and evaluation. Node only; browsers import @lpr/train/browser. */
export { calibrate, type CalibrateOptions } from './calibrate.ts';
export { decisionsOf, type RouterDecisions } from './decisions.ts';
export * from './evaluate.ts';
export { measureSimilarity } from './expert-outputs.ts';
export { measureGradientNorms } from './gradient-norms.ts';
export type { Team } from './parallel/accumulate.ts';
export { ExpertExchange } from './parallel/expert-exchange.ts';
export { type RanksReport } from './parallel/ranks-report.ts';
export { followLeader } from './parallel/team.ts';
export { type EvaluationOptions } from './run-evaluation.ts';
export * from './run.ts';
export * from './schedule.ts';
export { loadNewestWeights } from './snapshot.ts';
export { LossSpikeError, type LossSpikeOptions } from './spikes.ts';
export { DivergedError, type LossTermValue, type StepReport, Trainer, type TrainerOptions } from './trainer.ts';
