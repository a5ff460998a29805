/** Routers from outside on the command line: `--router FILE` wherever a model is named, and a file to begin with. */
import { type Command, Option } from 'commander';
import { addExamples } from './options.ts';
import { loadRouters } from '../settings/custom-routers.ts';

/** Gives every command that uses what was trained the option, and loads what it names before any command runs. */
export function addCustomRouters(program: Command): void {
  addNewRouter(program);
  for (const command of commandsOf(program)) {
    const [first] = command.registeredArguments;
    if (first?.name() !== 'model' && first?.name() !== 'folder') continue;
    command.addOption(
      new Option('--router <file>', 'where a router is one from outside: its file, which no command runs unasked'),
    );
  }
  program.hook('preAction', async (_, command) => {
    const { router } = command.opts<{ router?: unknown }>();
    if (typeof router === 'string') command.setOptionValue('router', await loadRouters(router));
  });
}

function commandsOf({ commands }: Command): Command[] {
  return commands.flatMap((command) => [command, ...commandsOf(command)]);
}

function addNewRouter(program: Command): void {
  const command = program
    .command('new-router')
    .summary('write a router of your own to begin with')
    .description(
      'Writes NAME.ts, a routing method that trains at once with --router ./NAME.ts, and NAME.test.ts, which holds it to what every router\n' +
        'must keep.',
    )
    .argument('<name>', 'lower-case words with hyphens between, such as my-router')
    .option('--out <folder>', 'where to write them', '.')
    .action(async (name: string, { out }: { out: string }) => {
      const { newRouter } = await import('../commands/new-router.ts');
      await newRouter(name, out);
    });
  addExamples(command, [
    ['new-router my-router', 'my-router.ts and my-router.test.ts'],
    ['compare --router ./my-router.ts', 'the new router beside the own one of the architecture'],
    ['train --router ./my-router.ts --set method.temperature=2', 'with a setting of its own'],
    ['resume runs/train-1 --router ./my-router.ts', 'the file is named again, and must be what it was'],
  ]);
}
