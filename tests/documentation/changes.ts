/** Changes that a page of documentation shows: its ```diff blocks, read and applied to the text of files. */

/** Lines that stand together before the change, and after it. */
interface Hunk {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** What a page changes in one file. */
export interface Change {
  readonly path: string;
  /** Whether the file begins with this change. */
  readonly isNew: boolean;
  readonly hunks: readonly Hunk[];
}

/**
 * The changes of a page, in its order. Hunks say no line numbers: they are found by their lines, so that a page stays
 * true while files grow elsewhere.
 */
export function changesOf(page: string): Change[] {
  return Array.from(page.matchAll(/^```diff\n([\s\S]*?)^```$/gm), ([, block]) => changeOf(block!));
}

function changeOf(block: string): Change {
  const [from, to, ...lines] = block.trimEnd().split('\n');
  const path = /^\+\+\+ b\/(\S+)$/.exec(to ?? '')?.[1];
  const isNew = from === '--- /dev/null';
  if (path === undefined || (!isNew && from !== `--- a/${path}`)) {
    throw new Error(`a diff begins with "--- a/PATH" (or "--- /dev/null") and "+++ b/PATH", got\n${from}\n${to}`);
  }
  if (lines[0] !== '@@') throw new Error(`${path}: a hunk begins with a line "@@", got ${JSON.stringify(lines[0])}`);
  const hunks: { before: string[]; after: string[] }[] = [];
  for (const line of lines) {
    const kind = line.slice(0, 1);
    const text = line.slice(1);
    if (line === '@@') hunks.push({ before: [], after: [] });
    else if (['', ' ', '-', '+'].includes(kind)) {
      if (kind !== '+') hunks.at(-1)!.before.push(text);
      if (kind !== '-') hunks.at(-1)!.after.push(text);
    } else throw new Error(`${path}: a line of a diff begins with a space, - or +, got ${JSON.stringify(line)}`);
  }
  return { path, isNew, hunks };
}

/**
 * The text of a file with a change made in it.
 *
 * @param text null where there is no such file
 * @throws Error that names the file and the lines that are not there, or more than once
 */
export function changed(text: string | null, { path, isNew, hunks }: Change): string {
  if (isNew !== (text === null)) throw new Error(`${path}: ${isNew ? 'is there already' : 'there is no such file'}`);
  const lines = text?.split('\n') ?? [];
  let from = 0;
  for (const { before, after } of hunks) {
    const places = isNew ? [0] : placesOf(before, lines);
    const [place] = places;
    if (place === undefined || places.length > 1) {
      const fault = place === undefined ? 'are not in the file' : `are there ${places.length} times, expected once`;
      throw new Error(`${path}: these lines ${fault}:\n${before.join('\n')}`);
    }
    if (place < from) throw new Error(`${path}: hunks are not in the order of the file, at\n${before.join('\n')}`);
    lines.splice(place, before.length, ...after);
    from = place + after.length;
  }
  return isNew ? `${lines.join('\n')}\n` : lines.join('\n');
}

/** Where these lines stand together. */
function placesOf(wanted: readonly string[], lines: readonly string[]): number[] {
  return lines.flatMap((_, at) => (wanted.every((line, i) => lines[at + i] === line) ? [at] : []));
}
