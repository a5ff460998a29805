/** What the parts of the explorer show, each of one place in a text that was routed. */
import type { RoutedPlace, RoutedText, RunSummary } from '../src/api.ts';
import type { Place } from './places.ts';

export interface RoutedProps {
  readonly run: RunSummary;
  readonly text: string;
  readonly routed: RoutedText;
  readonly place: Place;
  /** Looks at another place. */
  readonly go: (next: Partial<Place>) => void;
}

/** A place, and what was computed there. */
export interface LookedProps extends RoutedProps {
  readonly found: RoutedPlace;
}
