/** Draws the figures of run folders. */
export { type Rendered, type RenderOptions, renderRuns } from './render.ts';
