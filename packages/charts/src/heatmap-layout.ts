/**
 * Where everything of a load heatmap goes, in CSS pixels. Cells are whole multiples of half a pixel, so that they are crisp
 * at a pixel ratio of 2; the figure is as large as its cells need.
 */

/** A panel's cells and the labels that it shows. */
export interface HeatmapPanel {
  /** Left and top edge of the cells. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Whether the expert axis (below) and the layer axis (left) are labelled, or shared with a neighbour's. */
  readonly labelsExperts: boolean;
  readonly labelsLayers: boolean;
  /** Every how many experts and layers there is a label. */
  readonly expertStep: number;
  readonly layerStep: number;
  /** Room that the title above may take. */
  readonly titleWidth: number;
  /** White between cells, to the right of and below each. */
  readonly gapX: number;
  readonly gapY: number;
}

export interface HeatmapLayout {
  readonly width: number;
  readonly height: number;
  readonly panels: readonly HeatmapPanel[];
  /** Top of the strip with the colour bar. */
  readonly legendY: number;
}

/** Layers x experts of one model. */
export interface PanelSize {
  readonly layers: number;
  readonly experts: number;
}

const MARGIN = 20;
const LAYER_AXIS = 46;
const EXPERT_AXIS = 40;
const TITLE = 46;
const COLUMN_GAP = 28;
const ROW_GAP = 18;
const LEGEND = 44;
const FOOTNOTE = 20;
const MAX_CELL = 48;
const MIN_WIDTH = 540;
const MIN_PANEL_WIDTH = 260;

/**
 * Lays out one panel per model.
 *
 * @param maxWidth the figure is at most this wide where cells of half a pixel allow it.
 * @param columns panels side by side; by default as many as leave every cell 6 pixels and every panel room for its title.
 */
export function layoutHeatmap(
  sizes: readonly PanelSize[],
  maxWidth: number,
  columns: number | undefined,
  footnote: boolean,
): HeatmapLayout {
  const experts = Math.max(...sizes.map((size) => size.experts));
  const cells = (columnCount: number): number => {
    const room = maxWidth - 2 * MARGIN - LAYER_AXIS * columnCount - COLUMN_GAP * (columnCount - 1);
    return Math.min(MAX_CELL, Math.max(0.5, Math.floor((2 * room) / (columnCount * experts)) / 2));
  };
  let columnCount = Math.min(columns ?? sizes.length, sizes.length);
  if (columns === undefined) {
    while (columnCount > 1 && (cells(columnCount) < 6 || cells(columnCount) * experts < MIN_PANEL_WIDTH)) columnCount--;
    // The same number of rows with the columns filled evenly: 4 models that do not fit side by side are 2 x 2, not 3 + 1.
    columnCount = Math.ceil(sizes.length / Math.ceil(sizes.length / columnCount));
  }
  const cellWidth = cells(columnCount);
  const cellHeight = Math.min(28, Math.max(8, Math.floor(320 / Math.max(...sizes.map((size) => size.layers)))));
  const columnWidth = cellWidth * experts;

  const contentWidth = columnCount * columnWidth;
  const sameLayers = sizes.every((size) => size.layers === sizes[0]!.layers);
  const layerAxes = sameLayers ? LAYER_AXIS : columnCount * LAYER_AXIS;
  const naturalWidth = 2 * MARGIN + layerAxes + contentWidth + (columnCount - 1) * COLUMN_GAP;
  const width = Math.max(MIN_WIDTH, naturalWidth);

  const panels: HeatmapPanel[] = [];
  let y = 14;
  for (let first = 0; first < sizes.length; first += columnCount) {
    const row = sizes.slice(first, first + columnCount);
    y += TITLE;
    let x = (width - naturalWidth) / 2 + MARGIN;
    let labelled = false;
    for (const [column, size] of row.entries()) {
      const cell = Math.min(MAX_CELL, Math.floor((2 * columnWidth) / size.experts) / 2);
      const labelsLayers = column === 0 || !sameLayers;
      const labelsExperts = sizes[first + column + columnCount]?.experts !== size.experts;
      labelled ||= labelsExperts;
      if (labelsLayers) x += LAYER_AXIS;
      panels.push({
        x,
        y,
        width: cell * size.experts,
        height: cellHeight * size.layers,
        labelsExperts,
        labelsLayers,
        titleWidth: columnWidth,
        expertStep: labelStep(cell, 40),
        layerStep: labelStep(cellHeight, 15),
        gapX: gap(cell),
        gapY: gap(cellHeight),
      });
      x += columnWidth + COLUMN_GAP;
    }
    y += cellHeight * Math.max(...row.map((size) => size.layers)) + (labelled ? EXPERT_AXIS : 0) + ROW_GAP;
  }
  const legendY = y;
  return { width, height: legendY + LEGEND + (footnote ? FOOTNOTE : 0), panels, legendY };
}

/** The smallest power of two of cells that leaves a label the room that it needs. */
function labelStep(cell: number, room: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(room / cell)));
}

function gap(cell: number): number {
  if (cell < 6) return 0;
  return cell < 12 ? 0.5 : 1;
}
