/**
 * Regular expressions of a `tokenizer.json`, which are Oniguruma's, in terms that `@huggingface/tokenizers` takes as
 * Oniguruma does.
 */

/** Parts of a pattern: escapes, classes (with two levels of them within), openings of groups, and single characters. */
const PARTS = new RegExp(
  [
    String.raw`\\[pPxu]\{[^}]*\}|\\[\s\S]`,
    String.raw`\[\^?\]?(?:\\[\s\S]|\[(?:\\[\s\S]|\[(?:\\[\s\S]|[^\]\\[])*\]|[^\]\\[])*\]|[^\]\\[])*\]`,
    String.raw`\(\?(?:<[=!]|<\w+>|[a-zA-Z-]*[:=!>)])|\{\d*,?\d*\}|[\s\S]`,
  ].join('|'),
  'gu',
);
/** What `(?i:...)` may have; Oniguruma folds more than single letters there. */
const FOLDABLE = /^(?:[A-Za-z'| ]|\[[A-Za-z]+\])*$/;
const FOLDED_TOGETHER = /ss|st|ff|fi|fl/i;
/** Characters that are no ASCII and fold to it. */
const ALSO_FOLDED: Readonly<Record<string, string>> = { s: 'ſ', k: '\u212A' };
/** What may stand behind a part that gives nothing back, for it never to be asked to: parts that need not be there. */
const ALL_OPTIONAL = /^(?:\[(?:\\.|[^\]\\[&])*\][*?]\+?)*(?:\||$)/;
/** A character of one kind and one of another, of which the first gives nothing back: nor could the second take it. */
const APART = String.raw`[^\r\n\p{L}\p{N}]?+\p{L}`;
/** What may be found between the two halves of a character beyond the first plane; behind white space it is not. */
const MAY_HALVE = /\^|\$|\\[AzZB]|\(\?<?!/;
/** Not between those halves. */
const WHOLE = String.raw`(?:(?=[\s\S])|(?<=[\s\S]))`;

/**
 * The pattern of the same meaning.
 *
 * @param groups whether it may have groups that capture: without, they are made plain ones
 * @returns null where there is none
 */
export function exactPattern(pattern: string, groups: boolean): string | null {
  const parts = (pattern.replaceAll(APART, APART.replace('?+', '?')).match(PARTS) ?? []) as string[];
  const refersBack = parts.some((part) => /^\\[1-9k]/.test(part));
  let depth = 0;
  const written: string[] = [];
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at]!;
    if (part === '(?i:') {
      const end = parts.indexOf(')', at);
      const letters = folded(parts.slice(at + 1, end).join(''));
      if (end === -1 || letters === null) return null;
      written.push(`(?:${letters}`);
      at = end - 1;
      depth++;
      continue;
    }
    if (part === '\\G' || part === '(?>' || /^\\[pP]\{[^}]*=/.test(part)) return null;
    if (/^\{\d/.test(part) && (at === 0 || /^(?:\||\(.*)$/.test(parts[at - 1]!))) return null;
    if (part === '+' && isQuantifier(parts, at - 1)) {
      const isFree = depth === 0 && !isQuantifier(parts, at - 2) && ALL_OPTIONAL.test(parts.slice(at + 1).join(''));
      if (!isFree) return null;
      continue;
    }
    if (part.startsWith('(')) depth++;
    if (part === ')') depth--;
    const captures = part === '(' || /^\(\?<\w/.test(part);
    if (captures && !groups && refersBack) return null;
    written.push(captures && !groups ? '(?:' : part);
  }
  const same = written.join('');
  const bare = parts
    .filter((part) => !part.startsWith('['))
    .join('')
    .replaceAll(/\\s\+\(\?!\\[sS]\)/g, '');
  return MAY_HALVE.test(bare) ? `${WHOLE}(?:${same})` : same;
}

/** Whether a part says how often the one before it may be. What `{1,3}` says may itself be repeated by a sign. */
function isQuantifier(parts: readonly string[], at: number): boolean {
  return at > 0 && /^[*+?]$/.test(parts[at]!);
}

/** Letters of either case; null for what is folded otherwise. */
function folded(letters: string): string | null {
  if (!FOLDABLE.test(letters) || FOLDED_TOGETHER.test(letters)) return null;
  return letters.replaceAll(/\[[A-Za-z]+\]|[A-Za-z]/g, (part) => {
    const cases = Array.from(part.replaceAll(/[[\]]/g, ''), (letter) => {
      const lower = letter.toLowerCase();
      return `${lower}${letter.toUpperCase()}${ALSO_FOLDED[lower] ?? ''}`;
    });
    return `[${cases.join('')}]`;
  });
}

/** A pattern of nothing but a text. */
export function escaped(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}
