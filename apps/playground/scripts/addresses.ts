/** The text that the page opens with: five State of the Union addresses, which are in the public domain. */
import { loadStateOfTheUnion } from '@lpr/data';

/** From the Civil War to this century, so that their words differ. */
const CHOSEN = [
  'sotu/1862-abraham-lincoln',
  'sotu/1941-franklin-d-roosevelt',
  'sotu/1961-john-f-kennedy',
  'sotu/1986-ronald-reagan',
  'sotu/2010-barack-obama',
];

/** About 160,000 characters. */
export function addresses(): string {
  const all = new Map(loadStateOfTheUnion().map(({ id, text }) => [id, text]));
  return CHOSEN.map((id) => all.get(id)!).join('\n\n');
}
