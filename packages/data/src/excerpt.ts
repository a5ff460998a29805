/** Values of files in messages. */

/** The beginning of a value as JSON, whatever it is. */
export function excerptOf(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? 'nothing';
  } catch {
    return 'something nested too deeply to be shown';
  }
  return shortened(text, 80);
}

/** Names that a message lists where there may be any number of them. */
const NAMES_SHOWN = 20;

/** The first of some names, and how many more there are. */
export function namesText(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).map((name) => shortened(name, 80));
  const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
  return `${shown.join(', ')}${more}`;
}

export function shortened(text: string, characters: number): string {
  return text.length > characters ? `${text.slice(0, characters)}...` : text;
}
