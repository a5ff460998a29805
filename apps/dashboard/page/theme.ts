/**
 * Light or dark: as the system asks, unless the reader chose. Loaded first, so that no page flashes in the other one.
 */
import type { ThemeName } from '@lpr/charts';

const KEY = 'lpr-theme';
const system = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set<() => void>();

export function currentTheme(): ThemeName {
  return document.documentElement.dataset['theme'] === 'dark' ? 'dark' : 'light';
}

/** Changes to the other theme, and remembers it. */
export function toggleTheme(): void {
  const theme = currentTheme() === 'dark' ? 'light' : 'dark';
  localStorage.setItem(KEY, theme);
  show(theme);
}

/** Calls `listener` at each change; @returns ends that. */
export function onTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function show(theme: ThemeName): void {
  document.documentElement.dataset['theme'] = theme;
  for (const listener of listeners) listener();
}

function chosen(): ThemeName | null {
  const stored = localStorage.getItem(KEY);
  return stored === 'light' || stored === 'dark' ? stored : null;
}

const bySystem = (): ThemeName => (system.matches ? 'dark' : 'light');
system.addEventListener('change', () => {
  if (chosen() === null) show(bySystem());
});
show(chosen() ?? bySystem());
