/** Entry point of `pnpm trainer`. */
import { type Command, CommanderError } from 'commander';
import { createProgram } from './cli/program.ts';
import { unknownName } from './cli/errors.ts';
import { outliveReaders } from './cli/progress.ts';

outliveReaders(process.stdout, process.stderr);

try {
  const program = createProgram();
  const [first] = process.argv.slice(2);
  const commands = [...program.commands.map((command) => command.name()), 'help'];
  // Without this, commander takes a misspelt command for an argument of the default one.
  if (first !== undefined && !first.startsWith('-') && !commands.includes(first)) {
    throw unknownName('command', first, commands);
  }
  throwInsteadOfExit(program);
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has printed its message; asking for help is no error.
    process.exitCode = error.exitCode === 0 ? 0 : 1;
  } else {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

function throwInsteadOfExit(command: Command): void {
  command.exitOverride();
  command.commands.forEach(throwInsteadOfExit);
}
