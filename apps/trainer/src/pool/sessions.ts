/**
 * Sessions of runs that follow each other in one process: the device, and the text as long as the runs read the same.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { loadTokenizer, type Tokenizer } from '@lpr/data';
import { RUN_FILES } from '@lpr/runs';
import type { Communicator } from '@lpr/mpi';
import type { Progress } from '../cli/progress.ts';
import { openSession, type Session } from '../run/session.ts';
import { checkShares } from '../run/team.ts';
import type { Settings } from '../settings/schema.ts';

export class Sessions {
  readonly progress: Progress;
  readonly #communicator: Communicator;
  #open: { readonly key: string; readonly session: Session } | null = null;

  /** @param communicator of the ranks that train the runs together; of this process where it does alone */
  constructor(progress: Progress, communicator: Communicator) {
    this.progress = progress;
    this.#communicator = communicator;
  }

  /**
   * The session of a run; that of the run before it where both read the same text on the same device.
   *
   * @param tokenizer in place of the one that the settings name
   * @throws UsageError as openSession, and where the ranks cannot share its steps out
   */
  async of(settings: Settings, tokenizer?: Tokenizer): Promise<Session> {
    checkShares(settings, this.#communicator);
    const key = keyOf(settings);
    if (this.#open?.key === key) return this.#open.session;
    await this.close();
    const session = await openSession(settings, this.progress, tokenizer, this.#communicator);
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
