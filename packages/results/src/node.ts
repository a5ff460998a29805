/** Stored results and the documents that show them, as files. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type Difference, rewriteTables } from './markers.ts';
import { parseResult, type ResultFile, resultText } from './result-file.ts';
import { renderView } from './views.ts';

/** Where results lie, from the root of the repository. */
const RESULTS_FOLDER = join('docs', 'results');

/** @throws Error as `parseResult` */
export async function readResult(path: string): Promise<ResultFile> {
  return parseResult(await readFile(path, 'utf8'), path);
}

/** Writes a result after it was checked as it is when it is read. */
export async function writeResult(path: string, result: ResultFile): Promise<void> {
  const text = resultText(result);
  parseResult(text, path);
  await writeFile(path, text);
}

/** A document whose tables are not what their results give. */
export interface StaleDocument {
  /** From the root of the repository. */
  readonly file: string;
  /** With its tables made anew. */
  readonly document: string;
  readonly differences: readonly Difference[];
}

/**
 * All Markdown files below a folder whose tables differ from the results stored in it.
 *
 * @throws Error that names file and line of a marker that cannot be read, or names no result
 */
export async function staleDocuments(root: string): Promise<StaleDocument[]> {
  const results = new Map<string, ResultFile>();
  for (const file of await readdir(join(root, RESULTS_FOLDER))) {
    if (file.endsWith('.json')) {
      results.set(file.slice(0, -'.json'.length), await readResult(join(root, RESULTS_FOLDER, file)));
    }
  }
  const stale: StaleDocument[] = [];
  for (const file of await markdownFiles(root)) {
    const before = await readFile(join(root, file), 'utf8');
    try {
      const { document, differences } = rewriteTables(before, ({ name, options }) => {
        const result = results.get(name);
        if (result === undefined) throw new RangeError(`there is no ${join(RESULTS_FOLDER, name)}.json`);
        return renderView(result, options);
      });
      if (differences.length > 0) stale.push({ file, document, differences });
    } catch (error) {
      throw new Error(`${file}, ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
  return stale;
}

/** Neither written by hand nor tracked. */
const PASSED_OVER = new Set(['node_modules', 'dist', 'coverage']);

/** Paths from the root; folders that are hidden, installed or made by a command are passed over. */
export async function markdownFiles(root: string, folder: string = root): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.') || PASSED_OVER.has(entry.name) || path === join(root, 'runs')) continue;
    if (entry.isDirectory()) files.push(...(await markdownFiles(root, path)));
    else if (entry.name.endsWith('.md')) files.push(relative(root, path));
  }
  return files.toSorted();
}

/** The lines that say what is wrong with a document. */
export function differenceLines({ file, differences }: StaleDocument): string[] {
  return differences.flatMap(({ marker, line, found, expected }) => [
    `${file}:${line} in ${marker}`,
    `  is:        ${found ?? '(nothing)'}`,
    `  should be: ${expected ?? '(nothing)'}`,
  ]);
}
