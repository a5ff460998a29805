/** Entry point of `pnpm trainer`. */
import { CommanderError } from 'commander';
import { createProgram } from './cli.ts';

try {
  const program = createProgram();
  for (const command of [program, ...program.commands]) command.exitOverride();
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
