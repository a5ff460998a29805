/** @lpr/report/tables: tables as plain data, as text, Markdown, HTML and CSV; names and levels of runs. No charts. */
export * from './levels.ts';
export * from './names.ts';
export * from './tables/comparison.ts';
export * from './tables/csv.ts';
export * from './tables/differences.ts';
export * from './tables/evaluation.ts';
export * from './tables/html.ts';
export * from './tables/information.ts';
export * from './tables/measures.ts';
export * from './tables/overview.ts';
export * from './tables/placement.ts';
export * from './tables/routing.ts';
export { settingPlaces } from './tables/setting-rows.ts';
export * from './tables/settings.ts';
export * from './tables/table.ts';
export * from './tables/text.ts';
export * from './tables/usage.ts';
