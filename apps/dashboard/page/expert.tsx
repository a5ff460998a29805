/** One expert of one layer over the steps. */
import { expertLoad, expertLoadSize } from '@lpr/charts';
import type { Counts } from '@lpr/metrics';
import type { JSX } from 'preact';
import type { RunSummary } from '../src/api.ts';
import { Figure } from './figure.tsx';

interface Props {
  readonly run: RunSummary;
  readonly layer: number;
  readonly expert: number;
  /** One load per expert of the layer, steps ascending. */
  readonly windows: readonly { readonly step: number; readonly counts: Counts }[];
}

export function ExpertLoad({ run, layer, expert, windows }: Props): JSX.Element {
  return (
    <Figure
      label={`Load of expert ${expert} in layer ${layer} of ${run.name} over its steps`}
      inputs={[windows, layer, expert]}
      draw={(width, theme) => {
        const input = { layer, expert, windows, width };
        return { option: expertLoad(input, theme), size: expertLoadSize(input) };
      }}
      table={() => ({
        header: ['step', 'load', 'total of the layer'],
        rows: windows.map(({ step, counts }) => [step, counts[expert]!, totalOf(counts)]),
      })}
    />
  );
}

function totalOf(counts: Counts): number {
  return Array.from(counts).reduce((sum, count) => sum + count, 0);
}
