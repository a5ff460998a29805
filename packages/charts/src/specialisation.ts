/** What experts are chosen for: together with which others, for which domains. */
import type { Counts } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { type MatrixFigure, type MatrixPanel, matrixOption, matrixSize } from './matrix.ts';
import { LAYERS_BY_EXPERTS, type MatrixStyle } from './matrix-layout.ts';
import type { ThemeName } from './palette.ts';
import type { Size } from './parts.ts';
import { oneLine, textWidth } from './text.ts';

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
    const ragged = shares.find((row) => row.length !== shares.length);
    if (shares.length === 0 || ragged) {
      throw new RangeError(
        `the shares of "${name}" are ${shares.length} x ${ragged?.length ?? 0}; they must be square`,
      );
    }
    return inBlocks(name, shares);
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

function inBlocks(name: string, shares: readonly Counts[]): MatrixPanel {
  const experts = shares.length;
  const block = Math.ceil(experts / MAX_BLOCKS);
  const starts = Array.from({ length: Math.ceil(experts / block) }, (_, i) => i * block);
  const meanOf = (row: number, column: number): number => {
    let sum = 0;
    let known = 0;
    for (let i = row; i < Math.min(row + block, experts); i++) {
      for (let j = column; j < Math.min(column + block, experts); j++) {
        const share = shares[i]![j]!;
        if (i === j || Number.isNaN(share)) continue;
        sum += share;
        known++;
      }
    }
    return known === 0 ? Number.NaN : sum / known;
  };
  const called = (start: number): string =>
    block === 1 ? `${start}` : `${start} to ${Math.min(start + block, experts) - 1}`;
  return {
    title: name,
    subtitles: [block === 1 ? `${experts} experts` : `${experts} experts, in blocks of ${block} × ${block}`],
    rows: starts.map(String),
    columns: starts.map(String),
    values: starts.map((row) => starts.map((column) => meanOf(row, column))),
    describe: (row, column) => `tokens of expert ${called(starts[row]!)} that go to ${called(starts[column]!)} too`,
  };
}

export interface DomainsInput {
  /** One panel each, such as a layer or a model. */
  readonly panels: readonly {
    readonly name: string;
    /** `[domains][M]`: the share of the domain's tokens that go to the expert; each row adds up to `topK`. */
    readonly shares: readonly Counts[];
  }[];
  readonly domains: readonly string[];
  /** Experts of a token, k. */
  readonly topK: number;
  /** Share over the uniform one, k / M, at which the colour scale ends; above 1. Default 2. */
  readonly clip?: number;
  /** Most CSS pixels that the figure is wide. Default 1200. */
  readonly maxWidth?: number;
}

export function domainsSize(input: DomainsInput): Size {
  return matrixSize(domainsFigure(input));
}

/**
 * ECharts option of domains x experts: how much more of a domain's tokens than of uniform routing go to each expert.
 *
 * @throws RangeError for no panel or domain, shares that are not as many as domains, or a clip of at most 1.
 */
export function domainSpecialisation(input: DomainsInput, theme: ThemeName = 'light'): EChartsOption {
  return matrixOption(domainsFigure(input), theme);
}

function domainsFigure({ panels, domains, topK, clip = 2, maxWidth = 1200 }: DomainsInput): MatrixFigure {
  if (panels.length === 0 || domains.length === 0) {
    throw new RangeError(`domains x experts need a panel and a domain, got ${panels.length} and ${domains.length}`);
  }
  if (!(clip > 1)) throw new RangeError(`clip is ${clip}; the scale must end above the uniform share, 1`);
  const names = domains.map(oneLine);
  const longest = names.reduce((width, name) => Math.max(width, textWidth(name, 11)), 0);
  return {
    panels: panels.map(({ name, shares }): MatrixPanel => {
      const experts = shares[0]?.length ?? 0;
      if (shares.length !== domains.length || experts === 0 || shares.some(({ length }) => length !== experts)) {
        throw new RangeError(
          `the shares of "${name}" must be ${domains.length} domains x experts, got ${shares.length} x ${experts}`,
        );
      }
      return {
        title: name,
        subtitles: [`of ${experts} experts, ${topK} per token`],
        rows: names,
        columns: Array.from({ length: experts }, (_, expert) => String(expert)),
        values: shares.map((row) => Array.from(row, (share) => (share * experts) / topK)),
        describe: (domain, expert) => `${names[domain]}, expert ${expert}`,
      };
    }),
    rowName: '',
    columnName: 'Expert',
    scale: { kind: 'relative', clip, name: 'Share of the domain / uniform share', zero: 'never' },
    style: {
      ...LAYERS_BY_EXPERTS,
      maxWidth,
      // More than two are easier to compare one above the other, on one axis of experts.
      panelsPerRow: panels.length > 2 ? 1 : undefined,
      rowAxis: Math.min(200, Math.ceil(longest) + 16),
      rowLabel: 14,
      panelHeight: { target: 24 * domains.length, minCell: 16, maxCell: 24 },
    },
  };
}
