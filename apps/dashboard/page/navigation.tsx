/** Addresses inside the page, without loading it anew. */
import type { AnchorHTMLAttributes, ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

const changed = new EventTarget();
/** Where the page is; the browser's address follows it. */
let current = location.href;
let waiting: ReturnType<typeof setTimeout> | undefined;
/** Browsers refuse more changes of the address than a hundred in ten seconds or so, which a slider makes. */
const PAUSE_MS = 150;

/** What was chosen last must not be lost where the page is loaded anew at once, or left for another one. */
function keepAddress(): void {
  clearTimeout(waiting);
  history.replaceState(null, '', current);
}
addEventListener('pagehide', keepAddress);
addEventListener('popstate', () => {
  clearTimeout(waiting);
  current = location.href;
  changed.dispatchEvent(new Event('change'));
});

/** Where the page is, and again whenever it moves. */
export function useAddress(): URL {
  const [address, set] = useState(current);
  useEffect(() => {
    const update = (): void => set(current);
    changed.addEventListener('change', update);
    update();
    return () => changed.removeEventListener('change', update);
  }, []);
  return new URL(address);
}

/** Goes to an address. `replace` leaves no step in the history; the reader stays where he is on the page. */
export function navigate(url: string, { replace = false }: { replace?: boolean } = {}): void {
  if (!replace) keepAddress();
  clearTimeout(waiting);
  current = new URL(url, current).href;
  if (replace) waiting = setTimeout(keepAddress, PAUSE_MS);
  else history.pushState(null, '', current);
  changed.dispatchEvent(new Event('change'));
  if (replace) return;
  scrollTo(0, 0);
  // A reader with a screen reader or a keyboard goes on at the start of the new page.
  requestAnimationFrame(() => document.querySelector<HTMLElement>('main')?.focus({ preventScroll: true }));
}

/** The values of a parameter of the address, and what gives it others in place. */
export function useParameters(name: string): [readonly string[], (values: readonly string[]) => void] {
  const values = useAddress().searchParams.getAll(name);
  return [
    values,
    (next) => {
      const url = new URL(current);
      url.searchParams.delete(name);
      for (const value of next) url.searchParams.append(name, value);
      navigate(`${url.pathname}${url.search}`, { replace: true });
    },
  ];
}

/** A parameter of the address that has one value; what it is by itself is not written there. */
export function useParameter(name: string, initial: string): [string, (value: string) => void] {
  const [[value = initial], set] = useParameters(name);
  return [value, (next) => set(next === initial ? [] : [next])];
}

export function Link({
  href,
  children,
  ...rest
}: { href: string; children: ComponentChildren } & AnchorHTMLAttributes): JSX.Element {
  const follow = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(href);
  };
  return (
    <a href={href} onClick={follow} {...rest}>
      {children}
    </a>
  );
}

/** The address of a page about some runs. */
export function pageOf(page: 'run' | 'compare' | 'explore', ids: readonly string[]): string {
  return `/${page}?${new URLSearchParams(ids.map((id) => ['run', id]))}`;
}
