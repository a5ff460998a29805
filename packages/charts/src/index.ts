/** ECharts options of the project's figures, as pure functions of plain data; for a page or for `@lpr/charts/node`. */
export { type CurvePoint, type CurvesInput, curvesSize, trainingCurves } from './curves.ts';
export { type HeatmapInput, type HeatmapModel, heatmapSize, loadHeatmap } from './heatmap.ts';
export { DEAD, loadColour } from './palette.ts';
