/**
 * Sessions of runs that follow each other in one process: the device, and the text as long as the runs read the same.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadTokenizer, type Tokenizer } from '@lpr/data';
import { RUN_FILES } from '@lpr/runs';
import type { Progress } from '../cli/progress.ts';
import { openSession, type Session } from '../run/session.ts';
import type { Settings } from '../settings/schema.ts';

export class Sessions {
  readonly progress: Progress;
  #open: { readonly key: string; readonly session: Session } | null = null;

  constructor(progress: Progress) {
    this.progress = progress;
  }

  /**
   * The session of a run; that of the run before it where both read the same text on the same device.
   *
   * @param tokenizer in place of the one that the settings name
   * @throws UsageError as openSession
   */
  async of(settings: Settings, tokenizer?: Tokenizer): Promise<Session> {
    const key = keyOf(settings);
    if (this.#open?.key === key) return this.#open.session;
    await this.close();
    const session = await openSession(settings, this.progress, tokenizer);
    this.#open = { key, session };
    return session;
  }

  /** Ends the device; the next run opens one anew. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.session.device.dispose();
  }
}

/** All that a session depends on. */
function keyOf(settings: Settings): string {
  return JSON.stringify([settings.device, settings.threads, textKey(settings)]);
}

/** All that decides what text a run is trained and evaluated on, and as which tokens. */
export function textKey({ data, size, evaluation, from }: Settings): string {
  const { batchSize: _, ...text } = data;
  return JSON.stringify([text, size.vocabulary, evaluation.sources, evaluation.tokens, from]);
}

/** The run's copy of the tokenizer of the model that it started from, so that it needs nothing of that model. */
export async function ownTokenizer(run: string, { from }: Settings): Promise<Tokenizer | undefined> {
  const path = join(run, RUN_FILES.tokenizer);
  return from !== undefined && existsSync(path) ? await loadTokenizer(path) : undefined;
}
