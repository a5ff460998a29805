/** Which experts the tokens of each group go to: domains, places in a sequence, frequencies. */
import type { Counts } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { type MatrixFigure, type MatrixPanel, matrixOption, matrixSize } from './matrix.ts';
import { LAYERS_BY_EXPERTS } from './matrix-layout.ts';
import type { ThemeName } from './palette.ts';
import type { Size } from './parts.ts';
import { oneLine, textWidth } from './text.ts';

export interface ExpertGroupsInput {
  /** One panel each, such as a layer or a model. */
  readonly panels: readonly {
    readonly name: string;
    /** `[groups][M]`: the share of the group's tokens that go to the expert. */
    readonly shares: readonly Counts[];
    /** `[M]`: the share of all tokens that go to it; what groups would have if they did not matter. */
    readonly overall: Counts;
    /** What is to be said below the name of the panel. */
    readonly about?: string;
  }[];
  readonly groups: readonly string[];
  /** What groups are: "domain". */
  readonly groupName: string;
  /** Whether groups are named beside their axis too, as numbers must be. Default: no. */
  readonly namesAxis?: boolean;
  /** Share over the expected one at which the colour scale ends; above 1. Default 2. */
  readonly clip?: number;
  /** Most CSS pixels that the figure is wide. Default 1200. */
  readonly maxWidth?: number;
}

export function expertGroupsSize(input: ExpertGroupsInput): Size {
  return matrixSize(groupsFigure(input));
}

/**
 * ECharts option of groups x experts: how much more of a group's tokens than of all tokens go to each expert. An expert
 * without tokens has no colour.
 *
 * @throws RangeError for no panel or group, shares that are not as many as groups, or a clip of at most 1.
 */
export function expertGroups(input: ExpertGroupsInput, theme: ThemeName = 'light'): EChartsOption {
  return matrixOption(groupsFigure(input), theme);
}

function groupsFigure(input: ExpertGroupsInput): MatrixFigure {
  const { panels, groups, groupName, namesAxis = false, clip = 2, maxWidth = 1200 } = input;
  if (panels.length === 0 || groups.length === 0) {
    throw new RangeError(`groups x experts need a panel and a group, got ${panels.length} and ${groups.length}`);
  }
  if (!(clip > 1)) throw new RangeError(`clip is ${clip}; the scale must end above the expected share, 1`);
  const names = groups.map(oneLine);
  const longest = names.reduce((width, name) => Math.max(width, textWidth(name, 11)), 0);
  return {
    panels: panels.map(({ name, shares, overall, about }): MatrixPanel => {
      const experts = overall.length;
      if (shares.length !== groups.length || experts === 0 || shares.some(({ length }) => length !== experts)) {
        throw new RangeError(
          `the shares of "${name}" must be ${groups.length} groups x ${experts} experts, got ${shares.length} x ${shares[0]?.length ?? 0}`,
        );
      }
      return {
        title: name,
        subtitles: about === undefined ? [`${experts} experts`] : [`${experts} experts; ${about}`, about],
        rows: names,
        columns: Array.from({ length: experts }, (_, expert) => String(expert)),
        values: shares.map((row) => Array.from(row, (share, expert) => share / overall[expert]!)),
        describe: (group, expert) => `${groupName} ${names[group]}, expert ${expert}`,
      };
    }),
    rowName: namesAxis ? `${groupName[0]!.toUpperCase()}${groupName.slice(1)}` : '',
    columnName: 'Expert',
    scale: {
      kind: 'relative',
      clip,
      name: "Share of the group's tokens / of all",
      share: 'expected',
      zero: 'never',
    },
    style: {
      ...LAYERS_BY_EXPERTS,
      maxWidth,
      // More than two are easier to compare one above the other, on one axis of experts.
      panelsPerRow: panels.length > 2 ? 1 : undefined,
      rowAxis: Math.min(200, Math.ceil(longest) + (namesAxis ? 34 : 16)),
      rowLabel: 14,
      panelHeight: { target: 24 * groups.length, minCell: 16, maxCell: 24 },
    },
  };
}
