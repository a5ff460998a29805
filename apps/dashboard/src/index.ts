/** Reads run folders and draws their figures. */
export { type Rendered, type RenderOptions, renderRuns } from './render.ts';
export { parseMetrics, type Run, readRuns } from './run-folder.ts';
