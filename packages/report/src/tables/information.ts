/** Mutual information in tables: where nothing is left of it but its bias, it says so. */
import type { Cell } from './table.ts';
import { measuredCell } from './measures.ts';

const MARK = '‡';

/** What the mark says. */
export const NO_INFORMATION_NOTE: string = `${MARK} Not above what independent samples would show.`;

/** Whether nothing is left of a mutual information. @param information in nats, less its bias */
export function hasNoInformation(information: number | null | undefined): boolean {
  return typeof information === 'number' && information <= 0;
}

/**
 * A mutual information, marked where nothing is left of it.
 *
 * @param information in nats, less its bias
 * @param error half the width of its 95 % interval
 * @param shown what is printed: the same unless given
 */
export function informationCell(
  information: number | null,
  error?: number | null,
  shown: number | null = information,
): Cell {
  if (shown === null || !hasNoInformation(information)) return measuredCell(shown, error);
  return { value: shown, error: error ?? null, mark: MARK };
}
