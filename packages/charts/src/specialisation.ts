/** Experts against experts: which are chosen together, and which do alike. */
import type { Counts } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { type MatrixFigure, type MatrixPanel, matrixOption, matrixSize } from './matrix.ts';
import { LAYERS_BY_EXPERTS, type MatrixStyle } from './matrix-layout.ts';
import type { ThemeName } from './palette.ts';
import type { Size } from './parts.ts';

export interface CoActivationInput {
  /** One panel each, such as a layer or a model. */
  readonly panels: readonly {
    readonly name: string;
    /**
     * `[M][M]`: the share of the tokens of expert i (row) that go to expert j (column) too; NaN in the row of an expert
     * without tokens. The diagonal is not drawn.
     */
    readonly shares: readonly Counts[];
  }[];
  /** Share at which the colour scale ends. Default: the largest there is. */
  readonly max?: number;
  /** Most CSS pixels that the figure is wide. Default 1200. */
  readonly maxWidth?: number;
}

/** More experts are drawn in blocks of equal size, each with the mean of its shares. */
const MAX_BLOCKS = 192;

const SQUARES: MatrixStyle = {
  ...LAYERS_BY_EXPERTS,
  ownLabels: false,
  rowAxis: 50,
  maxCell: 40,
  comfortable: 2,
  panelHeight: undefined,
};

export function coActivationSize(input: CoActivationInput): Size {
  return matrixSize(coActivationFigure(input));
}

/**
 * ECharts option of the co-activation matrix P(j | i) of each panel, all on one scale.
 *
 * @throws RangeError for no panel, or a matrix that is not square.
 */
export function coActivationMatrix(input: CoActivationInput, theme: ThemeName = 'light'): EChartsOption {
  return matrixOption(coActivationFigure(input), theme);
}

function coActivationFigure({ panels, max, maxWidth = 1200 }: CoActivationInput): MatrixFigure {
  if (panels.length === 0) throw new RangeError('co-activation needs at least one panel, got none');
  const drawn = panels.map(({ name, shares }) => {
    checkSquare(`the shares of "${name}"`, shares);
    return inBlocks({
      ...{ name, values: shares },
      describe: (i, j) => `tokens of expert ${i} that go to ${j} too`,
    });
  });
  const known = drawn.flatMap(({ values }) => values.flatMap((row) => Array.from(row).filter((x) => !Number.isNaN(x))));
  // Panels of more than 560 pixels would be larger than a page.
  const perRow = Math.min(panels.length, 3);
  return {
    panels: drawn,
    rowName: 'Expert i',
    columnName: 'Expert j',
    scale: { kind: 'share', max: max ?? usualMost(known), name: 'Tokens of i that go to j too' },
    style: { ...SQUARES, maxWidth: Math.min(maxWidth, perRow === 1 ? 640 : maxWidth), panelsPerRow: perRow },
  };
}

/** A round share that all but the half percent of largest ones stay below. */
function usualMost(shares: readonly number[]): number {
  const most = shares.toSorted((a, b) => a - b)[Math.ceil(0.995 * shares.length) - 1] ?? 0;
  if (most === 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return Math.min(1, power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * power >= most * (1 - 1e-9))!);
}

/** A square matrix of experts, without its diagonal. */
interface SquareMatrix {
  readonly name: string;
  /** Behind the number of experts, below the title. */
  readonly about?: string;
  readonly values: readonly Counts[];
  /** What a cell is called, of experts or ranges of them. */
  readonly describe: (row: string, column: string) => string;
}

function inBlocks({ name, about, values, describe }: SquareMatrix): MatrixPanel {
  const experts = values.length;
  const block = Math.ceil(experts / MAX_BLOCKS);
  const starts = Array.from({ length: Math.ceil(experts / block) }, (_, i) => i * block);
  const meanOf = (row: number, column: number): number => {
    let sum = 0;
    let known = 0;
    for (let i = row; i < Math.min(row + block, experts); i++) {
      for (let j = column; j < Math.min(column + block, experts); j++) {
        const value = values[i]![j]!;
        if (i === j || Number.isNaN(value)) continue;
        sum += value;
        known++;
      }
    }
    return known === 0 ? Number.NaN : sum / known;
  };
  const called = (start: number): string =>
    block === 1 ? `${start}` : `${start} to ${Math.min(start + block, experts) - 1}`;
  const size = block === 1 ? `${experts} experts` : `${experts} experts, in blocks of ${block} × ${block}`;
  return {
    title: name,
    subtitles: about === undefined ? [size] : [`${about}; ${size}`, about],
    rows: starts.map(String),
    columns: starts.map(String),
    values: starts.map((row) => starts.map((column) => meanOf(row, column))),
    describe: (row, column) => describe(called(starts[row]!), called(starts[column]!)),
  };
}

export interface SimilarityInput {
  /** One panel each, such as a layer. */
  readonly panels: readonly {
    readonly name: string;
    /** `[M][M]`: from 0 to 1; NaN where it does not exist. The diagonal is not drawn. */
    readonly similarity: readonly Counts[];
    /** Mean over pairs of experts, and what pairs of no relation would have. */
    readonly mean: number;
    readonly independent: number;
  }[];
  /** Most CSS pixels that the figure is wide. Default 1200. */
  readonly maxWidth?: number;
}

export function expertSimilaritySize(input: SimilarityInput): Size {
  return matrixSize(similarityFigure(input));
}

/**
 * ECharts option of how alike the outputs of experts are, pair by pair (linear CKA).
 *
 * @throws RangeError for no panel, or a matrix that is not square.
 */
export function expertSimilarity(input: SimilarityInput, theme: ThemeName = 'light'): EChartsOption {
  return matrixOption(similarityFigure(input), theme);
}

function similarityFigure({ panels, maxWidth = 1200 }: SimilarityInput): MatrixFigure {
  if (panels.length === 0) throw new RangeError('similarity of experts needs at least one panel, got none');
  const text = (value: number): string => (Number.isNaN(value) ? '–' : value.toFixed(3));
  const drawn = panels.map(({ name, similarity, mean, independent }) => {
    checkSquare(`the similarities of "${name}"`, similarity);
    return inBlocks({
      ...{ name, values: similarity },
      about: `mean ${text(mean)}, by chance ${text(independent)}`,
      describe: (i, j) => `outputs of experts ${i} and ${j}`,
    });
  });
  const perRow = Math.min(panels.length, 3);
  return {
    panels: drawn,
    rowName: 'Expert',
    columnName: 'Expert',
    scale: { kind: 'share', max: 1, name: 'Linear CKA of outputs', isPlain: true },
    style: { ...SQUARES, maxWidth: Math.min(maxWidth, perRow === 1 ? 640 : maxWidth), panelsPerRow: perRow },
  };
}

function checkSquare(what: string, rows: readonly Counts[]): void {
  const ragged = rows.find((row) => row.length !== rows.length);
  if (rows.length > 0 && ragged === undefined) return;
  throw new RangeError(`${what} are ${rows.length} x ${ragged?.length ?? 0}; they must be square`);
}
