/**
 * Where tables stand in Markdown: between `<!-- results: NAME key=value ... -->` and `<!-- /results -->`, each alone on
 * its line. What lies between them is made from the stored result NAME, as the keys say (`views.ts`).
 */

export interface Marker {
  /** Its first line. */
  readonly text: string;
  /** Of the stored result. */
  readonly name: string;
  readonly options: ReadonlyMap<string, string>;
}

/** A table that is not what its result gives. */
export interface Difference {
  readonly marker: string;
  /** Of the document, from 1. */
  readonly line: number;
  /** null: there is no such line, or there should be none. */
  readonly found: string | null;
  readonly expected: string | null;
}

const OPENING = /^<!-- results: (.*) -->$/;
const CLOSING = '<!-- /results -->';

/**
 * A document with all its tables made anew, and the first difference of each table that changed.
 *
 * @throws Error that names the line of a marker that is not closed, not opened, or cannot be read
 */
export function rewriteTables(
  document: string,
  render: (marker: Marker) => readonly string[],
): { readonly document: string; readonly differences: readonly Difference[] } {
  const lines = document.split('\n');
  const result: string[] = [];
  const differences: Difference[] = [];
  let isCode = false;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    result.push(line);
    // Markers in a block of code are examples.
    if (line.startsWith('```')) isCode = !isCode;
    if (isCode) continue;
    if (line === CLOSING) throw new Error(`line ${i + 1}: ${CLOSING} closes nothing`);
    const words = OPENING.exec(line)?.[1];
    if (words === undefined) continue;
    const end = lines.indexOf(CLOSING, i);
    if (end < 0) throw new Error(`line ${i + 1}: ${line} is not closed by ${CLOSING}`);
    const found = lines.slice(i + 1, end);
    let expected: string[];
    try {
      expected = ['', ...render(parseMarker(line, words)), ''];
    } catch (error) {
      throw new Error(`line ${i + 1}: ${line}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
    result.push(...expected, CLOSING);
    const first = Array.from({ length: Math.max(found.length, expected.length) }, (_, at) => at).find(
      (at) => found[at] !== expected[at],
    );
    if (first !== undefined) {
      differences.push({
        marker: line,
        line: i + 2 + first,
        found: found[first] ?? null,
        expected: expected[first] ?? null,
      });
    }
    i = end;
  }
  return { document: result.join('\n'), differences };
}

function parseMarker(text: string, words: string): Marker {
  const [name, ...pairs] = words.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  if (name === undefined) throw new Error('names no result');
  const options = new Map<string, string>();
  for (const pair of pairs) {
    const [, key, quoted, bare] = /^(\w+)=(?:"([^"]*)"|([^"]+))$/.exec(pair) ?? [];
    if (key === undefined) throw new Error(`"${pair}" is not key=value or key="value"`);
    if (options.has(key)) throw new Error(`"${key}" is there twice`);
    options.set(key, quoted ?? bare!);
  }
  return { text, name, options };
}
