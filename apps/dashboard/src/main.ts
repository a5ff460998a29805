/** The command line of the dashboard: `pnpm dashboard --help`. */
import { Command } from 'commander';
import { addRender } from './render-command.ts';

const program = new Command('dashboard')
  .description('Draws the figures of training runs.')
  .showHelpAfterError('(--help shows what is there)');
addRender(program);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
