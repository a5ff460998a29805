/** Which experts the tokens of each domain, place in the sequence and frequency go to. */
import { expertGroups, type ExpertGroupsInput, expertGroupsSize } from '@lpr/charts';
import {
  domainGroups,
  frequencyGroups,
  groupInformation,
  groupShares,
  positionGroups,
  type TokenGroups,
  traceLoads,
} from '@lpr/metrics';
import type { Part } from '@lpr/runs/browser';
import type { RunParts } from '../parts.ts';
import { formatMeasure } from '../tables/table.ts';
import { defineFigure, type FigureRecord, type FigureWith, finite, layersText, perRun, someLayers } from './figure.ts';
import { lastTrace, type TraceAt, traceText } from './traces.ts';

export type GroupNumbers = Pick<ExpertGroupsInput, 'groups' | 'groupName' | 'namesAxis' | 'panels'>;

/** What the tokens are grouped by. */
interface Kind {
  readonly name: string;
  readonly heading: string;
  readonly caption: string;
  /** One group is a ... */
  readonly groupName: string;
  readonly namesAxis: boolean;
}

const READING =
  'over the share of all tokens that go to it: in the palest colour, or on a dark page the darkest, the group does not matter. An expert without tokens is grey.';

const DOMAINS: Kind = {
  name: 'domains',
  heading: 'Experts by domain',
  caption: `Share of the tokens of each domain that go to an expert, ${READING}`,
  groupName: 'domain',
  namesAxis: false,
};

const POSITIONS: Kind = {
  name: 'positions',
  heading: 'Experts by position',
  caption: `Share of the tokens at each range of places in their sequence that go to an expert, ${READING}`,
  groupName: 'position',
  namesAxis: true,
};

const FREQUENCIES: Kind = {
  name: 'frequencies',
  heading: 'Experts by token frequency',
  caption: `Share of the tokens of each range of ranks, the most frequent token first, that go to an expert, ${READING}`,
  groupName: 'rank',
  namesAxis: true,
};

function recordOf(
  { name, heading, caption, groupName, namesAxis }: Kind,
  run: string,
  at: TraceAt,
  layers: readonly number[],
  groups: TokenGroups,
): FigureRecord<GroupNumbers> {
  const { trace, step } = at;
  const text = (nats: number): string => formatMeasure(nats, 4);
  return {
    kind: name,
    title: `${heading}, ${layersText(layers)}: ${traceText(at)}`,
    caption,
    of: { runs: [run], text: 'held-out', tokens: trace.tokens, step, layers, label: run },
    numbers: {
      groups: groups.names,
      groupName,
      namesAxis,
      panels: layers.map((layer) => {
        const { nats, independent } = groupInformation(trace, layer, groups);
        return {
          name: `Layer ${layer}`,
          shares: groupShares(trace, layer, groups),
          overall: traceLoads(trace, layer).map((load) => load / trace.tokens),
          about: `I(expert; ${groupName}) ${text(nats)} nats, independent ${text(independent)}`,
        };
      }),
    },
    levels: [],
    notes: [
      `I(expert; ${groupName}) is what the choice of an expert says of the ${groupName}; independent is what it would be, on average, were tokens dealt to the groups at random.`,
    ],
  };
}

export function domainsRecord(run: string, at: TraceAt, layers: readonly number[]): FigureRecord<GroupNumbers> {
  return recordOf(DOMAINS, run, at, layers, domainGroups(at.trace));
}

/** @param sequence tokens in each sequence */
export function positionsRecord(
  run: string,
  at: TraceAt,
  layers: readonly number[],
  sequence: number,
): FigureRecord<GroupNumbers> {
  return recordOf(POSITIONS, run, at, layers, positionGroups(at.trace, sequence));
}

export function frequenciesRecord(run: string, at: TraceAt, layers: readonly number[]): FigureRecord<GroupNumbers> {
  return recordOf(FREQUENCIES, run, at, layers, frequencyGroups(at.trace));
}

function groupsFigure<T>(
  { name, heading, caption }: Kind,
  part: (run: RunParts) => Part<T>,
  record: (value: T, run: string) => FigureRecord<GroupNumbers>,
): FigureWith<GroupNumbers> {
  return defineFigure<GroupNumbers>({
    ...{ name, heading, caption, needs: ['traces'] },
    records: (runs) => perRun(runs, part, (value, run) => record(value, run.name)),
    draw(numbers, { theme, width }) {
      const input = { ...numbers, ...(width !== undefined && { maxWidth: width }) };
      return { option: expertGroups(input, theme), size: expertGroupsSize(input) };
    },
    table: ({ panels, groups, groupName }) => ({
      header: ['layer', groupName, 'expert', 'share', 'share of all tokens'],
      rows: panels.flatMap(({ name: layer, shares, overall }) =>
        shares.flatMap((row, group) =>
          Array.from(row, (share, expert) => [layer, groups[group]!, expert, finite(share), overall[expert]!]),
        ),
      ),
    }),
  });
}

export const domains: FigureWith<GroupNumbers> = groupsFigure(
  DOMAINS,
  (run) => {
    const at = lastTrace(run);
    return at.value !== undefined && at.value.trace.domains.length < 2
      ? { missing: 'its held-out text has only one domain' }
      : at;
  },
  (at, run) => domainsRecord(run, at, someLayers(at.trace.layers)),
);

export const positions: FigureWith<GroupNumbers> = groupsFigure(
  POSITIONS,
  (run): Part<{ at: TraceAt; sequence: number }> => {
    const at = lastTrace(run);
    const { sequenceLength: sequence } = run.facts;
    if (at.value === undefined) return at;
    return sequence === null
      ? { missing: 'its settings do not say how long sequences are' }
      : { value: { at: at.value, sequence } };
  },
  ({ at, sequence }, run) => positionsRecord(run, at, someLayers(at.trace.layers), sequence),
);

export const frequencies: FigureWith<GroupNumbers> = groupsFigure(FREQUENCIES, lastTrace, (at, run) =>
  frequenciesRecord(run, at, someLayers(at.trace.layers)),
);
