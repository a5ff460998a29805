/** Numbers and times as the page writes them. */

/** Three decimals for figures of balance and losses; a dash where there is none. */
export function figure(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined) return '–';
  const small = Math.abs(value) < 0.5 * 10 ** -digits && value !== 0;
  return small ? value.toExponential(1) : value.toFixed(digits);
}

export function whole(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : Math.round(value).toLocaleString('en');
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let unit = 0;
  let shown = value;
  for (; shown >= 1000 && unit < units.length - 1; unit++) shown /= 1000;
  return `${unit === 0 ? shown : shown.toPrecision(3)} ${units[unit]}`;
}

/** How long ago, in one unit. */
export function ago(time: number): string {
  const seconds = Math.max(0, (Date.now() - time) / 1000);
  if (seconds < 60) return 'just now';
  for (const [unit, length] of [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ] as const) {
    const count = Math.floor(seconds / length);
    if (count >= 1) return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
  }
  return 'just now';
}

/** A name for each run that tells it apart: its folder's, or its path where two have one. */
export function runNames(runs: readonly { readonly id: string; readonly name: string }[]): string[] {
  return runs.map((run) => (runs.filter(({ name }) => name === run.name).length > 1 ? run.id : run.name));
}
