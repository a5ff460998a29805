/**
 * What runs used of their models, in tables: how much of a model a token passes decides what it may be compared with.
 */
import type { Usage } from '@lpr/runs/browser';
import { type Column, formatShort, type Row } from './table.ts';

/** From this difference on, relative to the run that others are compared with, a cost is another one. */
export const SAME_COST = 0.02;

/** Keys of the columns, which tables of runs without these numbers leave out. */
export const USAGE_KEYS = ['active', 'flops', 'empty'] as const;

export function usageColumns(): Column[] {
  const [active, flops, empty] = USAGE_KEYS;
  return [
    { key: active, title: 'active', meaning: 'parameters that a held-out token passed', format: 'short' },
    { key: flops, title: 'FLOP/token', meaning: 'of the forward pass of a held-out token', format: 'short' },
    { key: empty, title: 'empty slots', meaning: 'share of the slots for experts that held none, and why' },
  ];
}

/** What the columns show of a run; a dash where a run of an earlier version does not say. */
export function usageCells(usage: Usage | null): Row {
  return {
    active: usage?.activeParameters ?? null,
    flops: usage?.flopsPerToken ?? null,
    empty: usage === null ? null : emptySlotsText(usage),
  };
}

/** "3.1 % dropped, 12 % inactive"; null where every slot held an expert. */
export function emptySlotsText({ emptySlots }: Usage): string | null {
  const parts = Object.entries(emptySlots).filter(([, share]) => share > 0);
  return parts.length === 0 ? null : parts.map(([reason, share]) => `${percent(share)} ${reason}`).join(', ');
}

/** "A token passes 1.2M parameters in 3.4M floating-point operations ..., 12 % null": of an evaluation. */
export function usageText(usage: Usage): string {
  const empty = emptySlotsText(usage);
  return (
    `A token passes ${formatShort(usage.activeParameters)} parameters in ${formatShort(usage.flopsPerToken)} floating-point operations (forward pass)` +
    `${empty === null ? '' : `; slots without an expert: ${empty}`}.`
  );
}

/**
 * How far each cost is from the first, where that is by more than `SAME_COST`: "+35 %"; null where it is not, or not
 * known.
 */
export function otherCosts(costs: readonly (number | null)[]): (string | null)[] {
  const base = costs[0] ?? null;
  return costs.map((cost) => {
    const more = base === null || base === 0 || cost === null ? 0 : cost / base - 1;
    return Math.abs(more) <= SAME_COST ? null : `${more > 0 ? '+' : '-'}${percent(Math.abs(more))}`;
  });
}

/** Two digits: "0.31 %", "3.1 %", "140 %". */
function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}
