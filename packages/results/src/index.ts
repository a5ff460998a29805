/** Stored results of measurements, and the tables in text and Markdown that are made of them. */
export * from './estimates.ts';
export * from './markers.ts';
export * from './paper.ts';
export * from './paper-table.ts';
export * from './result-file.ts';
export {
  flatSettings,
  type RunBootstrap,
  type RunResult,
  shareSettings,
  type Setting,
  withSharedSettings,
} from './runs.ts';
export { type RunsView, runsTable } from './runs-table.ts';
export { type Table, tableSchema } from './table.ts';
export * from './views.ts';
