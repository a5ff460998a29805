/** The command line: what can be asked for, and its help. What is done is in commands.ts, loaded only when it is needed. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { EvalOptions, RunCommandOptions } from './commands.ts';
import { PRESETS } from './presets.ts';
import { ARCHITECTURES, ROUTERS } from './settings.ts';

const EXAMPLES = `
Examples:
  pnpm trainer                                      compare top-k with LPR: loss, balance, heatmap (about 3 minutes)
  pnpm trainer compare --preset tiny                the same in seconds, to see that everything works
  pnpm trainer compare --arch mixtral --seed 1      another architecture, another seed
  pnpm trainer compare --router lpr-official        compare with what the released code of the paper computes
  pnpm trainer train --preset small --router lpr    train one model
  pnpm trainer train --set size.experts=64 --set lpr.temperature=4
  pnpm trainer resume runs/compare-1                go on after Ctrl-C, a crash or a kill
  pnpm trainer eval runs/train-1                    test loss and balance of a trained model
  pnpm trainer eval runs/compare-1/lpr --tokens 500000`;

export function createProgram(): Command {
  const program = new Command('trainer')
    .description(
      'Trains mixture-of-experts language models and measures how their routers balance the load.\n' +
        'Without a command: compare.',
    )
    .showHelpAfterError('(--help shows all options)');

  const compare = addRunOptions(program.command('compare', { isDefault: true }))
    .summary("train the architecture's own router and LPR alike, and set them side by side")
    .description(
      "Trains two models that differ in their router alone - the architecture's own (top-k) and --router - from the same seed on the\n" +
        'same batches, evaluates both on held-out text, prints a table, and writes summary.json, heatmap.png and curves.png.',
    )
    .action(async (options: RunCommandOptions) => {
      const { compare } = await import('./commands.ts');
      await compare(options);
    });
  program.addHelpText('after', () => optionsOf(compare) + EXAMPLES);

  addRunOptions(program.command('train'))
    .summary('train one model and evaluate it')
    .description('Trains one model with --router, evaluates it on held-out text and prints its figures.')
    .action(async (options: RunCommandOptions) => {
      const { train } = await import('./commands.ts');
      await train(options);
    });

  program
    .command('eval')
    .summary('evaluate the newest checkpoint of a run')
    .description('Prints test loss and balance of a run on held-out text, as one JSON object. Changes nothing.')
    .argument('<run>', 'folder of a run, such as runs/train-1 or runs/compare-1/lpr')
    .option('--tokens <n>', 'held-out tokens, at most (default: as in the run)', atLeast(1))
    .option('--threads <n>', 'worker threads; 0 runs in place (default: one a core)', atLeast(0))
    .action(async (run: string, options: EvalOptions) => {
      const { evaluateRun } = await import('./commands.ts');
      await evaluateRun(run, options);
    });

  program
    .command('resume')
    .summary('go on with a run or a comparison that was stopped')
    .description(
      'Goes on from the newest whole checkpoint. The result is the same, bit for bit, as if it had never stopped\n' +
        '(on the same kind of processor).',
    )
    .argument('<folder>', 'folder of a run or a comparison')
    .option('--threads <n>', 'worker threads; 0 runs in place (default: as in the run)', atLeast(0))
    .action(async (folder: string, options: { threads?: number }) => {
      const { resume } = await import('./commands.ts');
      await resume(folder, options);
    });
  return program;
}

function addRunOptions(command: Command): Command {
  const presets = Object.entries(PRESETS).map(([name, { description }]) => `${name} (${description})`);
  return command
    .option('--preset <name>', `size of the run: ${presets.join('; ')}`, 'quick')
    .option('--arch <name>', ARCHITECTURES.join(', '), ARCHITECTURES[0])
    .option(
      '--router <name>',
      `lpr (Latent Prototype Routing, corrected), lpr-paper (its equations read literally), lpr-official (what its released code computes), top-k (the architecture's own), or another method: ${ROUTERS.slice(4).join(', ')}. compare takes several, separated by commas, or all`,
      'lpr',
    )
    .option('--steps <n>', 'training steps (default: as in the preset)', atLeast(1))
    .option('--seed <n>', 'decides initial weights, data order and noise', atLeast(0), 0)
    .option('--threads <n>', 'worker threads; 0 runs in place (default: one a core)', atLeast(0))
    .option(
      '--device <name>',
      'where to compute: wasm (the CPU), gpu (through WebGPU), auto (a GPU where there is one), gpu-software (a GPU that the CPU plays: very slow)',
      'wasm',
    )
    .option('--out <folder>', 'folder to make for the results (default: runs/<command>-<number>)')
    .addOption(
      new Option('--set <path=value>', 'any other setting, by its path in config.yaml; repeatable')
        .argParser((value: string, before: string[]) => [...before, value])
        .default([], 'none'),
    );
}

/** The options of the default command, for the help of the whole program. */
function optionsOf(command: Command): string {
  const help = command.createHelp();
  help.prepareContext({ helpWidth: process.stdout.columns ?? 80 });
  const options = help.visibleOptions(command).filter((option) => option.long !== '--help');
  const width = Math.max(...options.map((option) => help.optionTerm(option).length));
  const items = options.map((option) =>
    help.formatItem(help.optionTerm(option), width, help.optionDescription(option), help),
  );
  return ['', 'Options of compare and train:', ...items, ''].join('\n');
}

function atLeast(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${minimum}.`);
    }
    return value;
  };
}
