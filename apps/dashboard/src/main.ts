/** The command line of the dashboard: `pnpm dashboard --help`. */
import { Command } from 'commander';
import { addRender } from './render-command.ts';
import { addServe } from './serve.ts';

const program = new Command('dashboard')
  .description('Draws the figures of training runs, and follows runs live in a browser.')
  .showHelpAfterError('(--help shows what is there)');
addRender(program);
addServe(program);
program.addHelpText(
  'after',
  `
Examples:
  pnpm dashboard serve                   follow the runs in runs in a browser
  pnpm dashboard render runs/compare-1   write the figures of a comparison
  pnpm dashboard serve --help            all options of a command`,
);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
