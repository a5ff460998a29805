/**
 * The command line: what can be asked for, and its help. What is done is in commands/, loaded only when it is needed.
 */
import { Command, Option } from 'commander';
import { addCompressionCommands } from './compression-commands.ts';
import { addCustomRouters } from './custom-routers.ts';
import { addModelCommands } from './model-commands.ts';
import { addNote } from './note-command.ts';
import {
  addExamples,
  addOutOption,
  addParallelOption,
  addRunOptions,
  addSeedsOption,
  atLeast,
  repeatable,
} from './options.ts';
import { addSweepCommands } from './sweep-commands.ts';
import { readBandwidth, readFlops, readLoads, readTime } from './quantities.ts';
import type { CompareOptions } from '../commands/compare.ts';
import type { ReproduceOptions } from '../commands/reproduce.ts';
import type { ComparisonOptions } from '../commands/shared.ts';
import type { PlanOptions } from '../commands/plan.ts';
import type { ResumeOptions } from '../commands/train.ts';
import type { SettingOptions } from '../settings/resolve.ts';

export function createProgram(): Command {
  const program = new Command('trainer')
    .description(
      'Trains mixture-of-experts language models and measures how their routers balance the load.\n' +
        'Without a command: compare.',
    )
    // Options of `sweep status` and the like are not those of `sweep`.
    .enablePositionalOptions()
    .showHelpAfterError('(--help shows all options)');
  const compare = addCompare(program);
  addTrain(program);
  addReproduce(program);
  addSweepCommands(program);
  addResume(program);
  addPlan(program);
  addNote(program);
  addConfig(program);
  addModelCommands(program);
  addCompressionCommands(program);
  addCustomRouters(program);
  program.addHelpText('after', () => optionsOf(compare));
  addExamples(program, [
    ['', 'compare top-k with LPR: loss, balance, pictures (about 3 minutes)'],
    ['compare --preset tiny', 'the same in seconds, to see that everything works'],
    ['train --preset small --router lpr', 'train one model'],
    ['train --config my.yaml --set size.experts=64', 'with settings of a file, and one of your own'],
    ['reproduce 2', 'a table of the paper, ours beside its numbers'],
    ['sweep widths.yaml --parallel 2', 'grids, lists and random draws of any settings'],
    ['resume runs/compare-1', 'go on after Ctrl-C, a crash or a kill'],
    ['note runs/train-1 "loss spike at 300" --tag odd', 'a note and tags, which the dashboard shows and finds'],
    ['eval runs/train-1', 'test loss and balance of a trained model'],
    ['generate runs/train-1 --prompt "We must"', 'text of a trained model'],
    ['export runs/train-1 exported', "a folder that Hugging Face's libraries open"],
    ['prune runs/train-1 --keep 16 --out pruned', 'the same model with fewer experts'],
    ['doctor', 'what this machine can do'],
    ['<command> --help', "a command's options, with examples"],
  ]);
  return program;
}

function addCompare(program: Command): Command {
  const command = addManyRuns(addRunOptions(program.command('compare', { isDefault: true })))
    .option('--baseline <router>', 'that the others are compared with, in pairs of a seed', 'top-k')
    .summary("train the architecture's own router and LPR alike, and set them side by side")
    .description(
      "Trains two models that differ in their router alone - the architecture's own (top-k) and --router - from the same seed on the\n" +
        'same batches, evaluates both on held-out text, prints a table, and writes summary.json and pictures in figures/. With several\n' +
        'seeds the table has means with their 95 % intervals, and differences in pairs of a seed; with one, intervals of a bootstrap over\n' +
        'blocks of the held-out text, which do not say how far another seed would be.',
    )
    .option(
      '--equal-flops',
      'of compare alone: train each model as long as the floating-point operations of the first one (top-k, at the given steps) allow, its schedule stretched to match; ' +
        'methods that choose how many experts they use are counted at what they aim at, and the table says what they took',
    )
    .action(async (options: CompareOptions) => {
      const { compare } = await import('../commands/compare.ts');
      await compare(options);
    });
  return addExamples(command, [
    ['compare --preset tiny', 'in seconds, to see that everything works'],
    ['compare --arch mixtral --seed 1', 'another architecture, another seed'],
    ['compare --router lpr-official', 'with what the released code of the paper computes'],
    ['compare --router all --steps 120', 'every routing method on one task'],
    [
      'compare --router all --equal-flops',
      'the same, each with as many operations as the first in place of as many steps',
    ],
    ['compare --seeds 3', 'means of the seeds 0, 1 and 2, and what differs by more than its error'],
    ['compare --router lpr,switch --baseline lpr', 'how others differ from LPR'],
  ]);
}

function addTrain(program: Command): void {
  const command = addManyRuns(addRunOptions(program.command('train')))
    .option(
      '--from <model>',
      'start from the weights of a run (its newest checkpoint), a checkpoint or a Hugging Face folder of the same architecture, sizes and router, with its tokenizer ' +
        'unless data.tokenizer names another; the optimiser starts anew (default: random weights)',
    )
    .summary('train one model and evaluate it')
    .description(
      'Trains one model with --router, evaluates it on held-out text and prints its measures. With several seeds it makes a folder with a run\n' +
        'for each, and prints their mean. Started by mpirun, as one of several processes, it shares the batches of each step\n' +
        '(training.accumulation, a multiple of the processes) out among them, and ends with the same bits (docs/scaling.md).',
    )
    .action(async (options: ComparisonOptions) => {
      const { train } = await import('../commands/train.ts');
      await train(options);
    });
  addExamples(command, [
    ['train --preset small --router lpr', 'one model, with Latent Prototype Routing'],
    ['train --config my.yaml', 'with the settings of a file'],
    ['train --set size.experts=64 --set lpr.temperature=4', 'some settings otherwise'],
    ['train --from runs/train-1 --text more.txt', 'on other text, from the weights of a trained model'],
    ['train --router lpr --seeds 0,1,5', 'three times, and how far seeds are apart'],
  ]);
}

function addPlan(program: Command): void {
  const network = new Option(
    '--network <speed>',
    'that each rank can send at, and receive, in bits (Gb) or bytes (GB) a second',
  );
  const latency = new Option('--latency <time>', 'that a message takes, however short');
  const command = addRunOptions(program.command('plan'))
    .requiredOption('--ranks <n>', 'processes that train together', atLeast(1))
    .addOption(network.argParser(readBandwidth).default(readBandwidth('200Gb'), '200Gb'))
    .addOption(latency.argParser(readTime).default(readTime('5us'), '5us'))
    .option('--flops <n>', 'operations that a rank computes a second (default: 35G, a thread of a CPU)', readFlops)
    .option('--memory <speed>', 'bytes a second from and to the memory of a rank (default: 10GB)', readBandwidth)
    .addOption(
      new Option(
        '--loads <list>',
        'rows of the rank whose experts get the most over the mean of all, separated by commas',
      )
        .argParser(readLoads)
        .default([1, 1.5, 2], '1,1.5,2'),
    )
    .addOption(repeatable('--run <folder>', 'a finished run whose loads are taken too; repeatable'))
    .summary('what a run on several ranks would take: memory of each, bytes and time by number of ranks')
    .description(
      'Prints, before anything runs, the memory of each rank - weights of experts and all others, moments, gradients, activations -\n' +
        'where each has all experts and where each owns some (training.expertParallel), and the time of a step by a model of compute,\n' +
        'memory, all-to-all and all-reduce (docs/scaling.md) for 1 to 1,024 ranks, by how evenly their experts are loaded.',
    )
    .action(async (options: PlanOptions) => {
      const { printPlan } = await import('../commands/plan.ts');
      await printPlan(options);
    });
  addExamples(command, [
    ['plan --ranks 64 --network 200Gb', 'the default run on 64 ranks'],
    ['plan --preset paper/qwen3-moe-lpr --ranks 64 --flops 60T --memory 2TB', "the paper's size on GPUs"],
    ['plan --ranks 16 --run runs/compare-1/lpr --run runs/compare-1/top-k', 'by the loads of two routers'],
  ]);
}

function addReproduce(program: Command): void {
  const command = addManyRuns(addRunOptions(program.command('reproduce')))
    .option(
      '--formulations <list>',
      'of LPR, separated by commas: paper (its equations), official (its released code), corrected, no-bias (corrected without its selection bias, which the paper does not have) (default: all; --router names one of the first three)',
    )
    .summary("train the rows of the paper's tables, and set the results beside the paper's")
    .description(
      'Trains what tables of the paper (arXiv 2506.21328) compare, at the size that the preset gives, on the same text from the same seed, and\n' +
        "prints the results beside the paper's: 1 architectures, 2 components, 3 latent width, 4 strength, 5 numbers of experts, 6 measures of\n" +
        'diversity, 7 measures of likeness, 8 moving averages, unit ball and starts of the prototypes, after its hyperparameters beside ours. Each\n' +
        "row is trained in every formulation of LPR; what is alike is trained once. Beside each row stand its differences to the paper's own\n" +
        "setting, the levels that routers without structure reach, and how far the order of the rows is the paper's; below each table, which\n" +
        "differences are larger than their errors. At the paper's size each row but those of table 1 gets 100M tokens, as there.",
    )
    .argument('<table...>', '1 to 8, or all')
    .action(async (tables: readonly string[], options: ReproduceOptions) => {
      const { reproduce } = await import('../commands/reproduce.ts');
      await reproduce(tables, options);
    });
  addExamples(command, [
    ['reproduce 2', 'what each component of LPR contributes, in every formulation'],
    ['reproduce all --steps 160 --formulations corrected', 'all eight tables'],
    ['reproduce 2 --seeds 3', 'with the error of every number'],
    ['reproduce 3 4 --router lpr-official --seed 1', 'as the released code computes it'],
    ['reproduce 2 --preset paper/qwen3-moe-lpr --device gpu', "at the paper's size"],
  ]);
}

function addResume(program: Command): void {
  const command = program
    .command('resume')
    .summary('go on with a run or a comparison that was stopped')
    .description(
      'Goes on from the newest whole checkpoint. The result is the same, bit for bit, as if it had never stopped\n' +
        '(on the same kind of processor). Settings that decide results, and the text, must be those it began with; the device,\n' +
        'threads, checkpoints, whether ranks share experts out and where the text lies may be changed in its config.yaml.\n' +
        'With --steps a run, finished or not, trains longer: nothing is taken back, and from its newest checkpoint on the\n' +
        'learning rate is what a run of so many steps has there (a line says which), so that after a decay it goes up again.\n' +
        'At its new end it is calibrated and evaluated anew.',
    )
    .argument('<folder>', 'folder of a run or a comparison')
    .option('--threads <n>', 'worker threads; 0 runs in place (default: as in the run)', atLeast(0))
    .option('--steps <n>', 'make the run longer: steps in all, more than it has (default: as in the run)', atLeast(1));
  addParallelOption(command).action(async (folder: string, options: ResumeOptions) => {
    const { resume } = await import('../commands/train.ts');
    await resume(folder, options);
  });
  addExamples(command, [
    ['resume runs/compare-1', 'after Ctrl-C, a crash or a kill'],
    ['resume runs/train-1 --steps 640', 'train a run longer than it was to be'],
  ]);
}

function addConfig(program: Command): void {
  const config = program
    .command('config')
    .summary('show settings, presets, and the JSON schema of configuration files')
    .description('Settings looked at before anything runs.');
  addExamples(config, [
    ['config presets', 'every preset, with its size'],
    ['config show --preset small > my.yaml', 'a file to change and give to --config'],
    ['config schema --out settings.schema.json', 'for editors'],
  ]);
  const show = addRunOptions(config.command('show'))
    .summary('print the settings of a run as YAML')
    .description('Prints what preset, files and options amount to, checked, as a file that --config reads.')
    .action(async (options: SettingOptions) => {
      const { showConfig } = await import('../commands/config.ts');
      showConfig(options);
    });
  addExamples(show, [
    ['config show --preset small > my.yaml', 'a file to change and give to --config'],
    ['config show --config my.yaml --steps 10', 'what a command line would run'],
  ]);
  const schema = config
    .command('schema')
    .summary('print the JSON schema of configuration files')
    .description('Prints the JSON schema of files for --config, with which editors complete and check them.')
    .option('--sweep', 'that of files for sweep')
    .option('--out <file>', 'write it there instead')
    .action(async (options: { out?: string; sweep?: true }) => {
      const { writeConfigSchema } = await import('../commands/config.ts');
      await writeConfigSchema(options);
    });
  addExamples(schema, [
    ['config schema --out settings.schema.json', 'for editors'],
    ['config schema --sweep --out sweep.schema.json', 'of the files that sweep takes'],
  ]);
  const presets = config
    .command('presets')
    .summary('list the presets')
    .description('Lists every preset with parameters, training tokens and memory.')
    .action(async () => {
      const { listPresets } = await import('../commands/config.ts');
      listPresets();
    });
  addExamples(presets, [['config presets', '']]);
  const paper = config
    .command('paper')
    .summary("print the paper's hyperparameters beside ours")
    .description(
      'Prints table 8 of the paper (arXiv 2506.21328) beside the settings of the presets paper/..., and why a value is another one.',
    )
    .action(async () => {
      const { printHyperparameters } = await import('../commands/config.ts');
      printHyperparameters();
    });
  addExamples(paper, [['config paper', '']]);
}

/** What commands that train several runs take besides their settings. */
function addManyRuns(command: Command): Command {
  return addOutOption(addParallelOption(addSeedsOption(command)));
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
  return ['', 'Options of compare and train:', ...items].join('\n');
}
