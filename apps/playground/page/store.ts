/** What the page remembers: its state in the address, the reader's own text for as long as the tab is open. */
import { type PageState, queryOf, stateOf } from '../src/settings.ts';

const TEXT = 'lpr-playground-text';

/** The state that the address asks for. */
export function stateOfAddress(): PageState {
  return stateOf(location.search);
}

/** Puts a state into the address, so that a reload or a link brings it back. */
export function rememberState(state: PageState): void {
  const query = queryOf(state);
  history.replaceState(null, '', query === '' ? location.pathname : `?${query}`);
}

/** The reader's text; null where there is none, or where this browser keeps nothing. */
export function storedText(): string | null {
  try {
    return sessionStorage.getItem(TEXT);
  } catch {
    return null;
  }
}

export function storeText(text: string | null): void {
  try {
    if (text === null) sessionStorage.removeItem(TEXT);
    else sessionStorage.setItem(TEXT, text);
  } catch {
    // It is then gone after a reload, which the page says.
  }
}
