/** Entry point of `pnpm trainer`. */
import type { Communicator } from '@lpr/mpi';
import { type Command, CommanderError } from 'commander';
import { createProgram } from './cli/program.ts';
import { unknownName } from './cli/errors.ts';
import { outliveReaders } from './cli/progress.ts';
import { endOtherRanks, joinRanks } from './cli/ranks.ts';

outliveReaders(process.stdout, process.stderr);

try {
  const communicator = await joinRanks();
  if (communicator.rank === 0) {
    await runProgram();
    await endTogether(communicator);
  } else {
    process.exitCode = await (await import('./pool/follow.ts')).followRuns(communicator);
  }
  communicator.finalize();
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
  await endOtherRanks(1);
}

async function runProgram(): Promise<void> {
  const program = createProgram();
  const [first] = process.argv.slice(2);
  const commands = [...program.commands.map((command) => command.name()), 'help'];
  // Without this, commander takes a misspelt command for an argument of the default one.
  if (first !== undefined && !first.startsWith('-') && !commands.includes(first)) {
    throw unknownName('command', first, commands);
  }
  throwInsteadOfExit(program);
  try {
    await program.parseAsync();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed its message; asking for help is no error.
    process.exitCode = error.exitCode === 0 ? 0 : 1;
  }
}

/** Lets the other ranks go, where there are some, with this one's exit code. */
async function endTogether(communicator: Communicator): Promise<void> {
  if (communicator.size === 1) return;
  await (await import('./run/team.ts')).announceEnd(communicator, Number(process.exitCode ?? 0));
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  command.commands.forEach(throwInsteadOfExit);
}
