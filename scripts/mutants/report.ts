/** What became of the mutants: a score for each file, and those that no test noticed. */
import type { Equivalent } from './equivalent.ts';
import type { Lines } from './scope.ts';

/** The part of a mutation testing report (schema 1.0) that is read here. Lines and columns count from 1. */
export interface MutationReport {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>;
}

export interface Mutant {
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly location: { readonly start: Position; readonly end: Position };
  readonly status: string;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

/** Shares of mutants are of those that ran or that no test reaches. */
export interface Count {
  /** A test failed, or ran on and on. */
  readonly killed: number;
  readonly survived: number;
  /** Of code that no test reaches. */
  readonly unreached: number;
  /** Survived, and known to change nothing. */
  readonly equivalent: number;
  /** Only run while modules load. */
  readonly leftOut: number;
  /** There was no time for them. */
  readonly untested: number;
}

const STATUSES: Readonly<Record<string, keyof Count>> = {
  Killed: 'killed',
  Timeout: 'killed',
  Survived: 'survived',
  NoCoverage: 'unreached',
  Equivalent: 'equivalent',
  Ignored: 'leftOut',
  Pending: 'untested',
  // Of the runner: they say nothing of the tests.
  RuntimeError: 'untested',
  CompileError: 'untested',
};

const NONE: Count = { killed: 0, survived: 0, unreached: 0, equivalent: 0, leftOut: 0, untested: 0 };

/** Per cent of the mutants that were tested and noticed; 100 where there was none. */
export function scoreOf({ killed, survived, unreached }: Count): number {
  const tested = killed + survived + unreached;
  return tested === 0 ? 100 : (100 * killed) / tested;
}

const add = (a: Count, b: Count): Count => ({
  killed: a.killed + b.killed,
  survived: a.survived + b.survived,
  unreached: a.unreached + b.unreached,
  equivalent: a.equivalent + b.equivalent,
  leftOut: a.leftOut + b.leftOut,
  untested: a.untested + b.untested,
});

/** The text between two places of a file. */
function textAt(source: string, { start, end }: Mutant['location']): string {
  const lines = source.split('\n').slice(start.line - 1, end.line);
  lines[lines.length - 1] = lines.at(-1)!.slice(0, end.column - 1);
  lines[0] = lines[0]!.slice(start.column - 1);
  return lines.join('\n');
}

const oneLine = (text: string): string => {
  const words = text.replaceAll(/\s+/g, ' ').trim();
  return words.length > 60 ? `${words.slice(0, 40)} ... ${words.slice(-15)}` : words;
};

/** What a mutant changes: the code that was, and what it becomes. */
const changeOf = (source: string, { location, replacement = '' }: Mutant): string =>
  `${oneLine(textAt(source, location))} -> ${oneLine(replacement)}`;

/** Whether a mutant is one that an entry lists. */
function isListed(entry: Equivalent, lines: readonly string[], mutant: Mutant, change: string): boolean {
  return lines[mutant.location.start.line - 1]!.includes(entry.line) && [entry.change].flat().includes(change);
}

/**
 * What no mutant can be any more of a list of equivalents, a sentence each: a source that is gone, a line that it does
 * not have, code that does not begin on that line.
 *
 * @param read the text of a source; null where there is none
 */
export function staleEntries(list: readonly Equivalent[], read: (file: string) => string | null): string[] {
  return list.flatMap(({ file, line, change }) => {
    const source = read(file);
    if (source === null) return [`${file} is not there any more`];
    const lines = source.split('\n');
    const places = [...lines.keys()].filter((i) => lines[i]!.includes(line));
    if (places.length === 0) return [`${file} has no line with ${JSON.stringify(line)}`];
    return [change].flat().flatMap((each) => {
      const before = each.slice(0, each.lastIndexOf(' -> '));
      const begins = places.some((i) => {
        const rest = lines.slice(i).join('\n');
        return Array.from(lines[i]!, (_, column) => column).some((column) =>
          startsWithCode(rest.slice(column), before),
        );
      });
      return begins ? [] : [`${file}: on the line with ${JSON.stringify(line)} there begins no ${before}`];
    });
  });
}

/** Whether a text begins with code as `oneLine` prints it, which cuts long code in its middle. */
function startsWithCode(text: string, code: string): boolean {
  const [start, end] = code.split(' ... ') as [string, string?];
  const plain = text.slice(0, MOST_CODE).replaceAll(/\s+/g, ' ');
  return plain.startsWith(start) && (end === undefined || plain.includes(end, start.length));
}

/** Characters that a mutant's code has at most. */
const MOST_CODE = 4000;

/** Entries of a list that no mutant of these files is, though all of theirs are known; a sentence each. */
export function unmatchedEntries(
  report: MutationReport,
  list: readonly Equivalent[],
  files: readonly string[],
): string[] {
  return list.flatMap((entry) => {
    const file = files.includes(entry.file) ? report.files[entry.file] : undefined;
    if (file === undefined || file.mutants.some(({ status }) => STATUSES[status] === 'untested')) return [];
    const lines = file.source.split('\n');
    return [entry.change].flat().flatMap((change) => {
      const one = { ...entry, change };
      const isThere = file.mutants.some((mutant) => isListed(one, lines, mutant, changeOf(file.source, mutant)));
      return isThere ? [] : [`${entry.file}: no mutant on the line with ${JSON.stringify(entry.line)} is ${change}`];
    });
  });
}

/** A report in which survivors that are listed as equivalent have a status of their own. */
export function withEquivalents(report: MutationReport, list: readonly Equivalent[]): MutationReport {
  const files = Object.entries(report.files).map(([name, file]) => {
    const known = list.filter((entry) => entry.file === name);
    const lines = file.source.split('\n');
    const isKnown = (mutant: Mutant): boolean => {
      const change = changeOf(file.source, mutant);
      return known.some((entry) => isListed(entry, lines, mutant, change));
    };
    const mutants = file.mutants.map((mutant) =>
      mutant.status === 'Survived' && isKnown(mutant) ? { ...mutant, status: 'Equivalent' } : mutant,
    );
    return [name, { ...file, mutants }] as const;
  });
  return { files: Object.fromEntries(files) };
}

/** A report without the mutants that there was no time for. */
export function withoutUntested<Report extends MutationReport>(report: Report): Report {
  const files = Object.entries(report.files).map(([name, file]) => {
    const mutants = file.mutants.filter(({ status }) => STATUSES[status] !== 'untested');
    return [name, { ...file, mutants }] as const;
  });
  return { ...report, files: Object.fromEntries(files) };
}

/** The mutants of a report that lie wholly in some lines. */
function mutantsIn(report: MutationReport, scope: readonly Lines[]): (readonly [string, readonly Mutant[]])[] {
  return Object.entries(report.files)
    .map(([file, { mutants }]) => {
      const ranges = scope.filter((lines) => lines.file === file);
      const isIn = ({ location: { start, end } }: Mutant): boolean =>
        ranges.some(({ first, last }) => first <= start.line && end.line <= last);
      return [file, mutants.filter(isIn)] as const;
    })
    .filter(([, mutants]) => mutants.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What became of the mutants of each file. */
export function countMutants(
  report: MutationReport,
  scope: readonly Lines[],
): { total: Count; files: Map<string, Count> } {
  const files = new Map(
    mutantsIn(report, scope).map(([file, mutants]) => {
      const count = { ...NONE };
      for (const { status } of mutants) {
        const kind = STATUSES[status];
        if (kind === undefined) throw new Error(`${file}: no such status of a mutant is known: ${status}`);
        count[kind] += 1;
      }
      return [file, count] as const;
    }),
  );
  return { files, total: [...files.values()].reduce(add, NONE) };
}

/** One line for each mutant that no test noticed: where it is, what it changes, and whether any test gets there. */
function survivors(report: MutationReport, scope: readonly Lines[]): string[] {
  return mutantsIn(report, scope).flatMap(([file, mutants]) =>
    mutants
      .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
      .toSorted(({ location: { start: a } }, { location: { start: b } }) => a.line - b.line || a.column - b.column)
      .map((mutant) => {
        const { line, column } = mutant.location.start;
        const reached = mutant.status === 'NoCoverage' ? ' (no test)' : '';
        return `${file}:${line}:${column} ${mutant.mutatorName}${reached}: ${changeOf(report.files[file]!.source, mutant)}`;
      }),
  );
}

/** The report of a run, ready to be printed. */
export function mutantsReport(report: MutationReport, scope: readonly Lines[]): string {
  const { files, total } = countMutants(report, scope);
  const row = (file: string, count: Count): string[] => [
    file,
    scoreOf(count).toFixed(1),
    ...Object.keys(NONE).map((key) => String(count[key as keyof Count])),
  ];
  const rows = [
    ['', 'score %', 'killed', 'survived', 'no test', 'equivalent', 'left out', 'untested'],
    ...Array.from(files, ([file, count]) => row(file, count)),
    row('all', total),
  ];
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((cells) => cells[i]!.length)));
  const table = rows.map((cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '),
  );
  const left = survivors(report, scope);
  return [...table, ...(left.length > 0 ? ['', 'Not noticed by any test:', ...left] : [])].join('\n');
}
