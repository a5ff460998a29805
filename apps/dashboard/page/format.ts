/** Numbers and times as the page writes them. */

export function whole(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : Math.round(value).toLocaleString('en');
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
