/** `note.json`: what people wrote of a run: a note, and tags to find it by. Nothing that a run computes reads it. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { named, readText } from '@lpr/guard';
import { z } from 'zod';
import { hasCode, writeWhole } from './files.ts';
import { RUN_FILES } from './names.ts';
import { issueText, type ReadonlyDeep } from './plain.ts';

/** A few pages; a picture or a log is no note. */
const MOST_CHARACTERS = 100_000;
const MOST_TAGS = 64;
const LONGEST_TAG = 64;
/** Each character takes at most six bytes in JSON (`\u0000`), and the tags little beside them. */
const MOST_BYTES = 2 ** 20;

/** A terminal or a line of a table takes these for orders, or shows what stands beside them in another order. */
export const UNSEEN: RegExp = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
/** A surrogate without its other half. */
const HALF = /\p{Cs}/u;

const noteSchema = z.strictObject({
  /** Lines end with "\n". */
  text: z
    .string()
    .max(MOST_CHARACTERS, `a note has at most ${MOST_CHARACTERS.toLocaleString('en')} characters; shorten it`)
    .check(plain('a note', (text) => text.replaceAll(/[\n\t]/g, ''))),
  /** Each once. */
  tags: z
    .array(
      z
        .string()
        .min(1, 'a tag has at least one character')
        .max(LONGEST_TAG, `a tag has at most ${LONGEST_TAG} characters; write more into the note`)
        .regex(/^[^,]*$/, 'a tag has no comma: commas stand between tags')
        .check(plain('a tag', (tag) => tag)),
    )
    .max(MOST_TAGS, `a run has at most ${MOST_TAGS} tags; take some away first`),
});

/** Text that shows as it is written. */
function plain(what: string, seen: (text: string) => string): z.core.CheckFn<string> {
  return ({ value, issues }) => {
    const character = UNSEEN.exec(seen(value))?.[0];
    const message =
      character !== undefined
        ? `${what} holds no control characters; it has U+${character.codePointAt(0)!.toString(16).padStart(4, '0').toUpperCase()}, take it out`
        : HALF.test(value)
          ? `${what} is text; it holds half of a character`
          : null;
    if (message !== null) issues.push({ code: 'custom', message, input: value });
  };
}

/** A note and tags; empty where nothing is written. */
export type RunNote = ReadonlyDeep<z.infer<typeof noteSchema>>;

export const NO_NOTE: RunNote = { text: '', tags: [] };

/**
 * What somebody wrote as it is kept: without space around it, tags once each and in the order of their first.
 *
 * @param note of any kind
 * @throws RangeError that says what is wrong with it
 */
export function checkNote(note: unknown): RunNote {
  const parsed = noteSchema.safeParse(tidy(note));
  if (!parsed.success) throw new RangeError(issueText(parsed.error));
  return parsed.data;
}

function tidy(note: unknown): unknown {
  if (typeof note !== 'object' || note === null) return note;
  const { text, tags } = note as Partial<Record<keyof RunNote, unknown>>;
  return {
    ...note,
    ...(typeof text === 'string' && { text: text.replaceAll(/\r\n?/g, '\n').trim() }),
    ...(Array.isArray(tags) && {
      tags: [...new Set(tags.map((tag: unknown) => (typeof tag === 'string' ? tag.trim() : tag)))],
    }),
  };
}

/** @throws Error that says what is wrong with the text of a `note.json` */
export function decodeNote(json: string): RunNote {
  return checkNote(JSON.parse(json));
}

/** The note of a run; `NO_NOTE` where it has none. @throws Error that names the file where it is damaged */
export async function readNote(run: string): Promise<RunNote> {
  const path = join(run, RUN_FILES.note);
  try {
    return await named(path, readText(path, MOST_BYTES).then(decodeNote));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return NO_NOTE;
    throw error;
  }
}

/**
 * Writes the note of a run, whole; an empty one takes the file away. A run may be trained meanwhile: only people write
 * here, and of two at once the later one stays.
 *
 * @throws RangeError as `checkNote`; the error of the file system
 */
export async function writeNote(run: string, note: RunNote): Promise<void> {
  const kept = checkNote(note);
  const path = join(run, RUN_FILES.note);
  if (kept.text === '' && kept.tags.length === 0) await rm(path, { force: true });
  else await writeWhole(path, `${JSON.stringify(kept, null, 2)}\n`);
}
