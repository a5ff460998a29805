/** The command line of the dashboard: `pnpm dashboard --help`. */
import { relative } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { readRuns } from './run-folder.ts';
import { addServe } from './serve.ts';

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value >= 1))
    throw new InvalidArgumentError('It must be an integer of at least 1.');
  return value;
}

const program = new Command('dashboard')
  .description('Draws the figures of training runs, and follows runs live in a browser.')
  .showHelpAfterError('(--help shows what is there)');

program
  .command('render')
  .summary('write heatmap.png and curves.png of runs')
  .description(
    'Writes heatmap.png (load of every expert over the uniform share) and curves.png (loss, Gini and min-max over steps).\n' +
      'A RUN is the folder of one run, or a folder that holds several, which are drawn together.',
  )
  .argument('<RUN...>', 'folders that training wrote')
  .option('-o, --out <DIR>', 'folder for the pictures (default: RUN, where there is only one)')
  .option('--windows <N>', 'windows at the end of each run that the heatmap adds up', positiveInteger, 1)
  .option('--latent-dim <D>', 'width of the latent space for the isotropic null', positiveInteger, 16)
  .addHelpText(
    'after',
    `
Examples:
  pnpm dashboard render runs/lpr                     pictures in runs/lpr
  pnpm dashboard render runs/compare                 all runs of a comparison side by side
  pnpm dashboard render runs/topk runs/lpr -o out    two runs side by side, in out
  pnpm dashboard render runs/lpr --windows 20        a heatmap of more tokens`,
  )
  .action(async (folders: string[], options: { out?: string; windows: number; latentDim: number }) => {
    const out = options.out ?? (folders.length === 1 ? folders[0] : undefined);
    if (out === undefined) throw new Error('several RUNs need a folder for their pictures: add --out DIR');
    const runs = (await Promise.all(folders.map(readRuns))).flat();
    // Runs of different folders may have one name; then the path tells them apart.
    const named = runs.map((run) => ({
      ...run,
      name: runs.filter(({ name }) => name === run.name).length > 1 ? relative('.', run.folder) : run.name,
    }));
    // Loaded only now, so that help and errors need not wait for the drawing libraries.
    const { renderRuns } = await import('./render.ts');
    const { written, skipped } = await renderRuns(named, { ...options, out });
    for (const sentence of skipped) console.error(sentence);
    for (const path of written) console.log(path);
  });

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
