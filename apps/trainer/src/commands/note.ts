/** `pnpm trainer note`: what people write of a run, and the tags that it is found by. */
import { readdir } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import { checkNote, isRunFolder, messageOf, readNote, type RunNote, writeNote } from '@lpr/runs';
import { UsageError } from '../cli/errors.ts';

export interface NoteOptions {
  /** To add and to take away. */
  readonly tag: readonly string[];
  readonly untag: readonly string[];
  readonly json?: true;
}

/** Writes what is given, and prints what the run has then. @param text in place of its note; "-": standard input */
export async function noteOf(run: string, text: string | undefined, { tag, untag, json }: NoteOptions): Promise<void> {
  const names = await readdir(run).catch(() => []);
  if (!isRunFolder(names)) throw new UsageError(`${run} is no run folder; name one that train or compare has made`);
  const before = await readNote(run);
  const note = noteFrom(before, { text: text === '-' ? await textOf(process.stdin) : text, tag, untag });
  if (JSON.stringify(note) !== JSON.stringify(before)) await writeNote(run, note);
  if (json) console.log(JSON.stringify(note));
  else if (note.tags.length > 0 || note.text !== '') console.log(noteText(note));
  else console.error(`${run} has no note and no tags`);
}

function noteFrom(
  before: RunNote,
  { text, tag, untag }: { text: string | undefined; tag: readonly string[]; untag: readonly string[] },
): RunNote {
  const absent = untag.find((each) => !before.tags.includes(each.trim()));
  if (absent !== undefined) {
    const known = before.tags.length === 0 ? 'it has none' : `it has ${before.tags.join(', ')}`;
    throw new UsageError(`--untag ${JSON.stringify(absent)}: the run has no such tag; ${known}`);
  }
  const taken = new Set(untag.map((each) => each.trim()));
  try {
    return checkNote({
      text: text ?? before.text,
      tags: [...before.tags.filter((each) => !taken.has(each)), ...tag.flatMap((each) => each.split(','))],
    });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function noteText({ text, tags }: RunNote): string {
  return [...(tags.length > 0 ? [`tags: ${tags.join(', ')}`] : []), ...(text === '' ? [] : [text])].join('\n');
}
