/**
 * Where everything of a figure of matrices goes, in CSS pixels. Cells are whole multiples of half a pixel, so that they
 * are crisp at a pixel ratio of 2; the figure is as large as its cells need.
 */

/** A panel's cells and the labels that it shows. */
export interface MatrixPanelLayout {
  /** Left and top edge of the cells. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Whether the column axis (below) and the row axis (left) are labelled, or shared with a neighbour's. */
  readonly labelsColumns: boolean;
  readonly labelsRows: boolean;
  /** Every how many columns and rows there is a label. */
  readonly columnStep: number;
  readonly rowStep: number;
  /** Room that the title above may take. */
  readonly titleWidth: number;
  /** White between cells, to the right of and below each. */
  readonly gapX: number;
  readonly gapY: number;
}

export interface MatrixLayout {
  readonly width: number;
  readonly height: number;
  readonly panels: readonly MatrixPanelLayout[];
  /** Top of the strip with the colour bar. */
  readonly legendY: number;
}

/** Rows x columns of one panel. */
export interface PanelSize {
  readonly rows: number;
  readonly columns: number;
}

/** How the panels of a figure are laid out. */
export interface MatrixStyle {
  /** The figure is at most this wide where cells of half a pixel allow it. */
  readonly maxWidth: number;
  /**
   * Panels side by side; by default as many as leave every cell `comfortable` pixels and every panel room for its
   * title.
   */
  readonly panelsPerRow: number | undefined;
  /** Whether every panel has labels of its own, also where a neighbour's are as many. */
  readonly ownLabels: boolean;
  /** Room for the labels and the name of the row axis. */
  readonly rowAxis: number;
  /** Room along its axis that a label takes. */
  readonly columnLabel: number;
  readonly rowLabel: number;
  /** Widest cell, and the narrowest that panels side by side should have. */
  readonly maxCell: number;
  readonly comfortable: number;
  /** Height of a panel that is aimed at, with the heights of a cell that limit it. Where left out cells are squares. */
  readonly panelHeight: { readonly target: number; readonly minCell: number; readonly maxCell: number } | undefined;
}

/** The style of layers x experts. */
export const LAYERS_BY_EXPERTS: MatrixStyle = {
  maxWidth: 1200,
  panelsPerRow: undefined,
  ownLabels: false,
  rowAxis: 46,
  columnLabel: 40,
  rowLabel: 15,
  maxCell: 48,
  comfortable: 6,
  panelHeight: { target: 320, minCell: 8, maxCell: 28 },
};

const MARGIN = 20;
const COLUMN_AXIS = 40;
const TITLE = 46;
const COLUMN_GAP = 28;
const ROW_GAP = 18;
const LEGEND = 44;
/** What the legend needs on one line. */
export const LEGEND_WIDTH = 540;
const LEGEND_LINE = 20;
const MIN_PANEL_WIDTH = 260;

/** Lays out one panel per matrix. */
export function layoutMatrices(sizes: readonly PanelSize[], style: MatrixStyle): MatrixLayout {
  const mostColumns = Math.max(...sizes.map(({ columns }) => columns));
  const mostRows = Math.max(...sizes.map(({ rows }) => rows));
  const cells = (perRow: number): number => {
    const room = style.maxWidth - 2 * MARGIN - style.rowAxis * perRow - COLUMN_GAP * (perRow - 1);
    return Math.min(style.maxCell, Math.max(0.5, Math.floor((2 * room) / (perRow * mostColumns)) / 2));
  };
  let perRow = Math.min(style.panelsPerRow ?? sizes.length, sizes.length);
  if (style.panelsPerRow === undefined) {
    while (perRow > 1 && (cells(perRow) < style.comfortable || cells(perRow) * mostColumns < MIN_PANEL_WIDTH)) perRow--;
    // The same number of rows with the columns filled evenly: 4 panels that do not fit side by side are 2 x 2, not 3 +
    // 1.
    perRow = Math.ceil(sizes.length / Math.ceil(sizes.length / perRow));
  }
  const cellWidth = cells(perRow);
  const cellHeight = heightOfCells(style, cellWidth, mostRows);
  const panelWidth = cellWidth * mostColumns;

  const sameRows = !style.ownLabels && sizes.every(({ rows }) => rows === sizes[0]!.rows);
  const rowAxes = style.rowAxis * (sameRows ? 1 : perRow);
  // A single small panel gives its title the room that the figure has anyway.
  const naturalWidth = 2 * MARGIN + rowAxes + perRow * panelWidth + (perRow - 1) * COLUMN_GAP;
  const width = Math.max(Math.min(LEGEND_WIDTH, style.maxWidth), naturalWidth);
  const slack = width - naturalWidth;

  const panels: MatrixPanelLayout[] = [];
  let y = 14;
  for (let first = 0; first < sizes.length; first += perRow) {
    const row = sizes.slice(first, first + perRow);
    y += TITLE;
    let x = slack / 2 + MARGIN;
    let labelled = false;
    for (const [column, size] of row.entries()) {
      const cell = style.panelHeight
        ? Math.min(style.maxCell, Math.floor((2 * panelWidth) / size.columns) / 2)
        : cellWidth;
      const labelsRows = column === 0 || !sameRows;
      const labelsColumns = style.ownLabels || sizes[first + column + perRow]?.columns !== size.columns;
      labelled ||= labelsColumns;
      if (labelsRows) x += style.rowAxis;
      panels.push({
        x,
        y,
        width: cell * size.columns,
        height: cellHeight * size.rows,
        labelsColumns,
        labelsRows,
        titleWidth: panelWidth + (perRow === 1 ? slack / 2 : 0),
        columnStep: labelStep(cell, style.columnLabel),
        rowStep: labelStep(cellHeight, style.rowLabel),
        gapX: gap(cell),
        gapY: gap(cellHeight),
      });
      x += panelWidth + COLUMN_GAP;
    }
    y += cellHeight * Math.max(...row.map(({ rows }) => rows)) + (labelled ? COLUMN_AXIS : 0) + ROW_GAP;
  }
  const legendY = y;
  return {
    width,
    height: legendY + LEGEND + (width < LEGEND_WIDTH ? LEGEND_LINE : 0),
    panels,
    legendY,
  };
}

function heightOfCells({ panelHeight }: MatrixStyle, cellWidth: number, rows: number): number {
  if (panelHeight === undefined) return cellWidth;
  const { target, minCell, maxCell } = panelHeight;
  const fitting = target / rows;
  return Math.min(maxCell, Math.max(minCell, fitting >= 2 ? Math.floor(fitting) : Math.floor(2 * fitting) / 2));
}

/** The smallest power of two of cells that leaves a label the room that it needs. */
function labelStep(cell: number, room: number): number {
  return 2 ** Math.max(0, Math.ceil(Math.log2(room / cell)));
}

function gap(cell: number): number {
  if (cell < 6) return 0;
  return cell < 12 ? 0.5 : 1;
}
