/**
 * The folder of a run: names, schemas, writers, readers that tolerate what is half written, locks, content identity.
 * For Node; what a page needs is @lpr/runs/browser.
 */
export { balanceOf } from './balance.ts';
export { type HeldOutBlocks, readBlocks } from './blocks.ts';
export * from './browser.ts';
export * from './checkpoint.ts';
export * from './comparison.ts';
export { readConfig } from './config.ts';
export { type Commit, describeEnvironment, type Environment } from './environment.ts';
export { factsOf, leavesOf } from './facts.ts';
export { clearFailure, type Failure, readFailure, writeFailure } from './failure.ts';
export { type FileContent, hasCode, sha256, sha256OfFile, writeWhole } from './files.ts';
export { besidesLeftovers, makeEmptyFolder, writeFolder } from './folders.ts';
export {
  changeSettings,
  checkText,
  holdIdentity,
  type HeldSettings,
  type RunText,
  type TextStream,
  textSum,
} from './identity.ts';
export type { WindowRange } from './load-windows.ts';
export { FolderInUseError, isLocked, lockFolder } from './lock.ts';
export { loggedStep, RunLogs } from './logs.ts';
export * from './names.ts';
export { checkNote, NO_NOTE, readNote, writeNote } from './note.ts';
export { measured, messageOf } from './plain.ts';
export { filesIn, type RunFiles } from './run-files.ts';
export { RunFolder } from './run-folder.ts';
export { RunFollower } from './run-follower.ts';
export { findRuns, type FindOptions, readEvaluations, readMetrics, readRun, readRuns, type Run } from './run.ts';
export * from './similarity.ts';
export * from './traces.ts';
export { parseYaml } from './yaml.ts';
