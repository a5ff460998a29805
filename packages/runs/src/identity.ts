/**
 * `identity.json`: what a run began with, so that it never goes on as another run, or is evaluated on other text,
 * without a word. It holds the settings that decide results, and of each stream of text, and of weights that it started
 * from, the content: where they lie may change.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { named, readText } from '@lpr/guard';
import { z } from 'zod';
import { listCheckpoints } from './checkpoint.ts';
import { encodeConfig } from './config.ts';
import { leavesOf } from './facts.ts';
import { hasCode, writeWhole } from './files.ts';
import { RUN_FILES, RUN_FOLDERS } from './names.ts';
import { countSchema, issueText, type ReadonlyDeep } from './plain.ts';
import { MAX_SMALL_FILE_BYTES } from './run-files.ts';

const streamSchema = z.strictObject({ domain: z.string(), tokens: countSchema, sha256: z.string() });

const identitySchema = z.strictObject({
  /** By the path of each setting, such as `data.batchSize`. */
  settings: z.record(z.string(), z.unknown()),
  training: z.array(streamSchema),
  heldOut: z.array(streamSchema),
  /** SHA-256 of the weights that it started from; left out where it made its own. */
  start: z.string().optional(),
  /** What `config.yaml` is about to hold, while a change of settings is under way. */
  config: z.record(z.string(), z.unknown()).optional(),
});

type StreamIdentity = z.infer<typeof streamSchema>;
type Identity = ReadonlyDeep<z.infer<typeof identitySchema>>;

/** The text of a run: streams in the order in which they are read. */
export interface RunText {
  readonly training: readonly TextStream[];
  readonly heldOut: readonly TextStream[];
}

export interface TextStream {
  readonly domain: string;
  readonly tokens: Int32Array;
}

/** Settings as a run is to go on with them. */
export interface HeldSettings {
  /** Plain data. */
  readonly settings: unknown;
  /**
   * Settings that decide no results, by their path, with all below it: `device`, `data.sources.*.paths`; `*` stands for
   * any one part.
   */
  readonly free: readonly string[];
  /** What an earlier version wrote down, by path, by the names that settings have now; the same names unless given. */
  readonly renamed?: (settings: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** The file that they are read from, for messages. */
  readonly origin: string;
}

/**
 * Holds a run to what it began with; writes that down where it begins now.
 *
 * @param run its folder, locked
 * @param start SHA-256 of the weights that it starts from; null where it makes its own. Not compared with once the run
 *   has a checkpoint
 * @throws Error that names every setting, the text, or the weights, that are others now, and says how to mend it
 */
export async function holdIdentity(
  run: string,
  settings: HeldSettings,
  text: RunText,
  start: string | null = null,
): Promise<void> {
  const known = await readIdentity(run);
  const held = heldSettings(settings);
  const checkpoints = await listCheckpoints(join(run, RUN_FOLDERS.checkpoints));
  if (known !== null) {
    checkSettings(run, known, held, settings);
    checkStreams(run, known, text);
    if (checkpoints.length === 0) checkStart(run, known.start ?? null, start);
    return;
  }
  if (checkpoints.length > 0 || existsSync(join(run, RUN_FILES.metrics))) throw noIdentity(run);
  await writeIdentity(run, { settings: held, ...streamsOf(text), ...(start !== null && { start }) });
}

/**
 * Gives a run other settings than it began with, in its identity and in `config.yaml`: a process that is killed
 * meanwhile leaves the old ones, or the new ones once `completeChange` was there.
 *
 * @param run its folder, locked
 * @param settings that it has; it is held to them first
 * @param changed all settings as they are to be
 * @param prepare what must be done before they hold, such as that a finished run is none any more
 * @throws Error as `holdIdentity` where the settings are not those that it began with, or it does not tell
 */
export async function changeSettings(
  run: string,
  settings: HeldSettings,
  changed: object,
  prepare: () => Promise<void>,
): Promise<void> {
  const known = await readIdentity(run);
  if (known === null) throw noIdentity(run);
  checkSettings(run, known, heldSettings(settings), settings);
  const held = heldSettings({ ...settings, settings: changed });
  await prepare();
  await writeIdentity(run, { ...known, settings: held, config: { ...changed } });
  await completeChange(run);
}

/** Brings a change of settings to its end that was under way when a process was killed; mostly there is none. */
export async function completeChange(run: string): Promise<void> {
  const known = await readIdentity(run);
  if (known?.config === undefined) return;
  const { config, ...identity } = known;
  await writeWhole(join(run, RUN_FILES.config), encodeConfig(config));
  await writeIdentity(run, identity);
}

async function writeIdentity(run: string, identity: Identity): Promise<void> {
  await writeWhole(join(run, RUN_FILES.identity), `${JSON.stringify(identity, null, 2)}\n`);
}

/**
 * Compares text with that which a run began with.
 *
 * @throws Error that names the text that is another one now, or says that the run does not tell what it began with
 */
export async function checkText(run: string, text: RunText): Promise<void> {
  const known = await readIdentity(run);
  if (known === null) throw noIdentity(run);
  checkStreams(run, known, text);
}

function noIdentity(run: string): Error {
  return new Error(
    `${join(run, RUN_FILES.identity)} is missing, which says what the run began with: an earlier version of this ` +
      'program made the run, or the file was removed. Put it back from a copy, or start a new run',
  );
}

/** null when there is none. */
async function readIdentity(run: string): Promise<Identity | null> {
  const path = join(run, RUN_FILES.identity);
  let text: string;
  try {
    text = await named(path, readText(path, MAX_SMALL_FILE_BYTES));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  const fail = (what: string): Error =>
    new Error(`${path} is damaged: ${what}. Put it back from a copy, or start a new run`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw fail(String(error));
  }
  const parsed = identitySchema.safeParse(json);
  if (!parsed.success) throw fail(issueText(parsed.error));
  return parsed.data;
}

function checkSettings(
  run: string,
  known: Identity,
  now: Readonly<Record<string, unknown>>,
  { origin, free, renamed = (settings) => settings }: HeldSettings,
): void {
  const isFree = freedom(free);
  const began = renamed(known.settings);
  const paths = new Set([...Object.keys(began), ...Object.keys(now)]);
  const changed = Array.from(paths).filter(
    (path) => !isFree(path) && JSON.stringify(began[path]) !== JSON.stringify(now[path]),
  );
  if (changed.length === 0) return;
  const lines = changed.map((path) => `  ${path}: began with ${shown(began[path])}, now ${shown(now[path])}`);
  throw new Error(
    `${run} did not begin with the settings that ${origin} has now:\n${lines.join('\n')}\n` +
      `With them it would end as neither run would. Put back into ${origin} what it began with, or start a new run`,
  );
}

function checkStart(run: string, was: string | null, is: string | null): void {
  if (was === is) return;
  const what =
    was === null ? 'it began with weights of its own' : is === null ? 'its settings name none' : 'they are others now';
  throw new Error(
    `${run}: the weights that the run starts from (from) must be those that it began with until it has a checkpoint, but ${what}. ` +
      'Put them back as they were, or start a new run',
  );
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

/** The settings that decide results, by their path. */
function heldSettings({ settings, free }: HeldSettings): Record<string, unknown> {
  const isFree = freedom(free);
  return Object.fromEntries(leavesOf(settings).filter(([path]) => !isFree(path)));
}

/** Whether a setting may change, by its path. */
function freedom(free: readonly string[]): (path: string) => boolean {
  const patterns = free.map((pattern) => pattern.split('.'));
  return (path) => {
    const parts = path.split('.');
    return patterns.some(
      (pattern) => pattern.length <= parts.length && pattern.every((part, i) => part === '*' || part === parts[i]),
    );
  };
}

const TEXTS = { training: 'training', heldOut: 'held-out' } as const;

function checkStreams(run: string, known: Identity, text: RunText): void {
  const now = streamsOf(text);
  for (const part of ['training', 'heldOut'] as const) {
    for (let i = 0; i < Math.max(known[part].length, now[part].length); i++) {
      checkStream(run, `${TEXTS[part]} text`, known[part][i], now[part][i]);
    }
  }
}

function checkStream(run: string, what: string, was: StreamIdentity | undefined, is: StreamIdentity | undefined): void {
  if (was?.sha256 === is?.sha256) {
    if (was?.domain === is?.domain) return;
    throw new Error(
      `${run}: the ${what} of ${was!.domain} is called ${is!.domain} now, so that its results would go by two names. ` +
        `Give its source the domain ${was!.domain}`,
    );
  }
  if (was === undefined) {
    throw new Error(
      `${run}: the ${what} of ${is!.domain} was not there when the run began. Leave its source out, or start a new run`,
    );
  }
  throw new Error(
    `${run}: the ${what} of ${was.domain} is not the one that the run began with: ` +
      `it had ${was.tokens} tokens, now ${is?.tokens ?? 'none'}${is?.tokens === was.tokens ? ' others' : ''}. ` +
      'A file of its sources, or its tokenizer, was changed since: put it back as it was, or start a new run',
  );
}

/** SHA-256 of all text of a run, with its domains. */
export function textSum(text: RunText): string {
  return createHash('sha256')
    .update(JSON.stringify(streamsOf(text)))
    .digest('hex');
}

function streamsOf({ training, heldOut }: RunText): Pick<Identity, 'training' | 'heldOut'> {
  return { training: training.map(identityOf), heldOut: heldOut.map(identityOf) };
}

function identityOf({ domain, tokens }: TextStream): StreamIdentity {
  const bytes = new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength);
  return { domain, tokens: tokens.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}
