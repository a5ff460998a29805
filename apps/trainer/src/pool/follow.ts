/** What every rank but 0 does: its share of the runs that rank 0 trains. */
import type { Communicator } from '@lpr/mpi';
import { textSum } from '@lpr/runs';
import { followLeader } from '@lpr/train';
import { ignoreInterrupts } from '../cli/interrupt.ts';
import type { Progress } from '../cli/progress.ts';
import { makeDecoder, makeTrainer } from '../run/model.ts';
import { type Session, vocabularyOf } from '../run/session.ts';
import { type Announcement, exchangeOf, nextAnnouncement, teamOf } from '../run/team.ts';
import { checkSettings } from '../settings/check.ts';
import type { Settings } from '../settings/schema.ts';
import { ownTokenizer, Sessions } from './sessions.ts';

/** Follows rank 0 from run to run, until nothing more comes. Gives the exit code of rank 0. */
export async function followRuns(communicator: Communicator): Promise<number> {
  // Rank 0, which gets them too, decides when to stop.
  ignoreInterrupts();
  const sessions = new Sessions(SILENT, communicator);
  try {
    for (;;) {
      const announcement = await nextAnnouncement(communicator);
      if ('exitCode' in announcement) return announcement.exitCode;
      const settings = checkSettings(announcement.settings, `the settings of ${announcement.folder}`);
      const tokenizer = await ownTokenizer(announcement.folder, settings);
      await follow(await sessions.of(settings, tokenizer), settings, announcement);
    }
  } finally {
    await sessions.close();
  }
}

async function follow(
  { device, tokens, communicator }: Session,
  settings: Settings,
  { folder, text }: Announcement,
): Promise<void> {
  if (textSum(tokens) !== text) {
    throw new Error(
      `rank ${communicator.rank} has other text than rank 0 for ${folder}: its files or its tokenizer differ on this machine; give all machines the same`,
    );
  }
  const experts = exchangeOf(communicator, settings);
  const decoder = makeDecoder(device, settings, vocabularyOf(settings, tokens.tokenizer), experts);
  const trainer = makeTrainer(decoder, settings, tokens.training);
  try {
    await followLeader(trainer, teamOf(communicator, settings, experts));
  } finally {
    trainer.dispose();
    decoder.dispose();
  }
}

/** Rank 0 says it. */
const SILENT: Progress = {
  phase() {},
  step() {},
  evaluation() {},
  evaluated() {},
  note() {},
  end() {},
};
