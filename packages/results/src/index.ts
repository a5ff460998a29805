/** Stored results of measurements, and the tables in text and Markdown that are made of them. */
export { comparisonText } from './comparison.ts';
export * from './markers.ts';
export * from './paper.ts';
export * from './result-file.ts';
export { flatSettings, type Measures, type RunResult, shareSettings, type Setting } from './runs.ts';
export { type RunsView, runsTable } from './runs-table.ts';
export {
  alignColumns,
  type Cell,
  type Column,
  formatMeasure,
  formatNumber,
  formatTime,
  markdownLines,
  type Table,
  type TextTable,
  textTable,
} from './table.ts';
export * from './views.ts';
