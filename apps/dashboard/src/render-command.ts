/** `dashboard render`: the figures of runs as files. */
import { type Command, InvalidArgumentError } from 'commander';
import { hasCode, messageOf, readRuns, readSummary, type Summary } from '@lpr/runs';

interface RenderFlags {
  readonly out?: string;
  readonly dark?: true;
  readonly svg?: true;
  readonly only?: string[];
  readonly colourBy?: string;
  readonly highlight?: string[];
  readonly windows: number;
  readonly latentDim?: number;
}

/** Adds the command to the program. */
export function addRender(program: Command): void {
  program
    .command('render')
    .summary('write the figures of runs, and a report')
    .description(
      'Writes every figure that the runs have the data for to figures/, and all of them with a table of measures to report.html,\n' +
        'a page that needs no other file and no network. What cannot be drawn is named with the reason.\n' +
        'A RUN is the folder of one run, or a folder that holds several, which are drawn together.',
    )
    .argument('<RUN...>', 'folders that training wrote')
    .option('-o, --out <DIR>', 'folder for figures/ and report.html (default: RUN, where there is only one)')
    .option('--dark', 'draw the pictures for a dark page; the report follows its reader anyway')
    .option('--svg', 'write an SVG beside each PNG')
    .option('--only <NAME...>', 'draw these figures alone, and no report; a name that there is not lists all')
    .option('--colour-by <SETTING>', 'let colours stand for a setting, such as router or size.experts')
    .option(
      '--highlight <NAME...>',
      'what has a colour where there are more than seven: names as in the legend (default: the first seven)',
    )
    .option('--windows <N>', 'windows at the end of each run that load-training adds up', positiveInteger, 1)
    .option(
      '--latent-dim <D>',
      'width of the latent space for the isotropic null (default: that of each run, or of the others, or 16)',
      positiveInteger,
    )
    .addHelpText(
      'after',
      `
Examples:
  pnpm dashboard render runs/lpr                     runs/lpr/figures and runs/lpr/report.html
  pnpm dashboard render runs/compare                 all runs of a comparison side by side
  pnpm dashboard render runs/topk runs/lpr -o out    two runs side by side, in out
  pnpm dashboard render runs/lpr --only load-held-out curves --dark
  pnpm dashboard render runs/lpr --windows 20        load in training over more tokens`,
    )
    .action(render);
}

async function render(folders: string[], { dark, ...flags }: RenderFlags): Promise<void> {
  const out = flags.out ?? (folders.length === 1 ? folders[0] : undefined);
  if (out === undefined) throw new Error('several RUNs need a folder for their pictures: add --out DIR');
  const runs = (await Promise.all(folders.map(readRuns))).flat();
  const problems: string[] = [];
  const settings = (await Promise.all(folders.map((folder) => settingsOf(folder, problems)))).flat();
  // Loaded only now, so that help and errors need not wait for the drawing libraries.
  const { renderRuns } = await import('./render.ts');
  const isWatched = process.stderr.isTTY;
  const onDrawn = (name: string, done: number, of: number): void => {
    if (isWatched) process.stderr.write(`\r\u001b[K${done} of ${of} pictures: ${name}${done === of ? '\n' : ''}`);
  };
  const { written, skipped } = await renderRuns(runs, {
    ...flags,
    out,
    settings,
    theme: dark ? 'dark' : 'light',
    onDrawn,
  });
  for (const sentence of [...problems, ...skipped]) console.error(sentence);
  for (const path of written) console.log(path);
}

/** What the settings of a sweep or a comparison came to; only a finished one has a summary that says so. */
async function settingsOf(folder: string, problems: string[]): Promise<Summary['settings']> {
  try {
    return (await readSummary(folder)).settings;
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) problems.push(`no table of settings: ${messageOf(error)}`);
    return [];
  }
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value >= 1))
    throw new InvalidArgumentError('It must be an integer of at least 1.');
  return value;
}
