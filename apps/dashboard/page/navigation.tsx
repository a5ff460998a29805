/** Addresses inside the page, without loading it anew. */
import type { AnchorHTMLAttributes, ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

const changed = new EventTarget();
addEventListener('popstate', () => changed.dispatchEvent(new Event('change')));

/** Where the page is, and again whenever it moves. */
export function useAddress(): URL {
  const [address, set] = useState(() => location.href);
  useEffect(() => {
    const update = (): void => set(location.href);
    changed.addEventListener('change', update);
    return () => changed.removeEventListener('change', update);
  }, []);
  return new URL(address);
}

/** Goes to an address. `replace` leaves no step in the history; the reader stays where he is on the page. */
export function navigate(url: string, { replace = false }: { replace?: boolean } = {}): void {
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
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
      const url = new URL(location.href);
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
