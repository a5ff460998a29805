/**
 * Text that is named twice: it would be trained on and held out, or trained on and evaluated on.
 */

import type { Source, SourceFile } from './source.ts';

interface NamedFile {
  readonly file: SourceFile;
  readonly source: Source;
  readonly isEvaluated: boolean;
}

/**
 * Makes sure that no two sources have a file of the same content, whatever it is called and wherever it lies. Within a
 * source there may be several: their documents are held out together.
 *
 * @param trained sources that are trained on, but for what is held out of them
 * @param evaluated sources that are evaluated on whole
 * @throws RangeError naming both files
 */
export async function refuseSameContent(trained: readonly Source[], evaluated: readonly Source[]): Promise<void> {
  const filesOf = (sources: readonly Source[], isEvaluated: boolean): NamedFile[] =>
    sources.flatMap((source) => source.files.map((file) => ({ file, source, isEvaluated })));
  // Only what has the same length can be the same, so hardly anything need be read for this.
  const byLength = new Map<number, NamedFile[]>();
  for (const named of [...filesOf(trained, false), ...filesOf(evaluated, true)]) {
    const alike = byLength.get(named.file.byteLength) ?? [];
    alike.push(named);
    byLength.set(named.file.byteLength, alike);
  }
  for (const alike of byLength.values()) {
    if (new Set(alike.map(({ source }) => source)).size > 1) {
      await refuseAmong(alike);
    }
  }
}

async function refuseAmong(files: readonly NamedFile[]): Promise<void> {
  const first = new Map<string, NamedFile>();
  for (const named of files) {
    const content = await named.file.content();
    const before = first.get(content) ?? named;
    first.set(content, before);
    if (before.source === named.source) {
      continue;
    }
    const [a, b] = [before.file.name, named.file.name];
    throw new RangeError(
      before.isEvaluated === named.isEvaluated
        ? `prepareTokens: the sources name the same text twice, as ${a} and as ${b}, so it could be trained on and held out. ` +
            'Name it once.'
        : `prepareTokens: ${b}, which is to be evaluated on, is the same text as ${a}, which is trained on. ` +
            'Take it out of one of the two.',
    );
  }
}
