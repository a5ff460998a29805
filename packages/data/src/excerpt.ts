/** Values of files in messages. */

/** The beginning of a value as JSON, whatever it is. */
export function excerptOf(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? 'nothing';
  } catch {
    return 'something nested too deeply to be shown';
  }
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
