/** Which experts the tokens of each domain go to. */
import { domainSpecialisation as domainsChart, type DomainsInput, domainsSize } from '@lpr/charts';
import { domainSpecialisation } from '@lpr/metrics';
import { defineFigure, type FigureRecord, type FigureWith, finite, layersText, perRun, someLayers } from './figure.ts';
import { lastTrace, type TraceAt, traceText, uniformShare } from './traces.ts';

export type DomainNumbers = Pick<DomainsInput, 'domains' | 'topK' | 'panels'>;

const CAPTION =
  'Share of the tokens of each domain that go to an expert, over the share that it gets of all when domains do not matter.';

export function domainsRecord(run: string, at: TraceAt, layers: readonly number[]): FigureRecord<DomainNumbers> {
  const { trace, step } = at;
  return {
    kind: 'domains',
    title: `Experts by domain, ${layersText(layers)}: ${traceText(at)}`,
    caption: CAPTION,
    of: { runs: [run], text: 'held-out', tokens: trace.tokens, step, layers, label: run },
    numbers: {
      domains: trace.domains,
      topK: Number((uniformShare(trace) * trace.experts).toFixed(2)),
      panels: layers.map((layer) => ({ name: `Layer ${layer}`, shares: domainSpecialisation(trace, layer) })),
    },
    levels: [],
    notes: [],
  };
}

export const domains: FigureWith<DomainNumbers> = defineFigure<DomainNumbers>({
  name: 'domains',
  heading: 'Experts by domain',
  caption: CAPTION,
  needs: ['traces'],
  records: (runs) =>
    perRun(
      runs,
      (run) => {
        const at = lastTrace(run);
        return at.value !== undefined && at.value.trace.domains.length < 2
          ? { missing: 'its held-out text has only one domain' }
          : at;
      },
      (at, { name }) => domainsRecord(name, at, someLayers(at.trace.layers)),
    ),
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { maxWidth: width }) };
    return { option: domainsChart(input, theme), size: domainsSize(input) };
  },
  table: ({ panels, domains: names }) => ({
    header: ['layer', 'domain', 'expert', 'share'],
    rows: panels.flatMap(({ name, shares }) =>
      shares.flatMap((row, domain) =>
        Array.from(row, (share, expert) => [name, names[domain]!, expert, finite(share)]),
      ),
    ),
  }),
});
