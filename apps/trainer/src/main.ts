/** Entry point of `pnpm trainer`. */
import { type Command, CommanderError } from 'commander';
import { createProgram } from './cli.ts';
import { unknownName } from './errors.ts';

// Who read the output may be gone, as `head` when it has enough, or `tee` after the Ctrl-C that makes a run save: that must not end this process.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

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
