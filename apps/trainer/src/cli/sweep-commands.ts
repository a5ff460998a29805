/** The commands that train the runs of a file. */
import type { Command } from 'commander';
import type { TableOptions } from '../commands/compare.ts';
import type { SubmitOptions, SweepOptions } from '../commands/sweep.ts';
import { addExamples, addOutOption, addParallelOption, addRunOptions, atLeast } from './options.ts';

const SORT =
  'what the rows of the table go by: name, testLoss, information, gini, minMax or another measure of balance';

export function addSweepCommands(program: Command): void {
  const command = program.command('sweep').enablePositionalOptions();
  addSortOption(addOutOption(addParallelOption(addRunOptions(command))), 'as in the file')
    .summary('train the runs of a file: grids, lists and random draws of any settings')
    .description(
      'Trains every run that a YAML file names, each in a folder of its own, and sets them side by side: means over seeds with their 95 %\n' +
        'intervals, and differences to the first run, or the one that baseline names, in pairs of a seed. A setting is named by its path, as\n' +
        '--set takes it. Options and files of the command line go over the settings of the file, under what differs between its runs.\n' +
        'A run that fails does not stop the others. The same command, or resume, goes on after Ctrl-C, a crash or a kill: no finished run is\n' +
        'trained again, the others go on from their newest checkpoints.',
    )
    .argument(
      '<file>',
      'YAML file: preset, config and settings of all runs; grid, list, random, runs and seeds of each',
    )
    .action(async (file: string, options: SweepOptions) => {
      const { sweep } = await import('../commands/sweep.ts');
      await sweep(file, options);
    });
  addExamples(command, [
    ['sweep widths.yaml', 'every run, in runs/widths'],
    ['sweep widths.yaml --parallel 4', 'four at a time'],
    ['sweep widths.yaml --preset tiny --steps 20', 'the same runs, small, to see that everything works'],
    ['sweep submit widths.yaml --slurm --time 04:00:00', 'on a cluster, as one job array'],
    ['sweep status runs/widths', 'what is done, running, failed and why'],
    ['sweep collect runs/widths --sort gini', 'the table of what is finished, the evenest first'],
    ['config schema --sweep', 'the JSON schema of such files'],
  ]).addHelpText('after', FILE_EXAMPLE);
  addSubmit(command);
  addTask(command);
  addStatus(command);
  addCollect(command);
}

const FILE_EXAMPLE = `
A file:
  preset: small
  settings: { training: { steps: 2000 } }
  grid:                       # every combination; a list of grids: one after the other
    size.experts: [16, 32, 64]
    lpr.latentDim: [8, 16]
  seeds: 3                    # each with the seeds 0, 1 and 2
or, in place of the grid or with it:
  list:                       # settings that go together
    - { router: top-k }
    - { router: lpr, lpr.strength: 0.1 }
  random:
    runs: 20
    settings:
      training.learningRate: { logUniform: [0.0005, 0.01] }
      lpr.latentDim: { integer: [4, 64] }
      lpr.diversity: { choice: [cosine, orthogonal] }`;

function addSortOption(command: Command, initial: string): Command {
  return command.option('--sort <column>', `${SORT} (default: ${initial})`);
}

function addSubmit(sweep: Command): void {
  const command = addOutOption(addRunOptions(sweep.command('submit')))
    .option('--slurm', 'to Slurm, as one job array')
    .option('--partition <name>', 'where it runs')
    .option('--account <name>', 'who is charged')
    .option('--time <limit>', 'of a run between two requeues, such as 04:00:00')
    .option('--memory <size>', 'such as 8G')
    .option('--cpus <n>', 'cores of a run, and its threads where threads is null', atLeast(1))
    .option('--gpus <n>', 'GPUs of a run; --device says whether it uses one', atLeast(1))
    .option('--parallel <n>', 'runs at a time (default: as many as the cluster gives)', atLeast(1))
    .option('--notice <seconds>', 'before the limit at which a run saves (default: 120)', atLeast(1))
    .summary('train the runs of a file on a cluster')
    .description(
      'Writes a job array with a task for each run that is not done or queued yet, and submits it. The settings of the jobs may stand in the\n' +
        'file, as slurm: {partition: ..., time: ...}; options go over them. At SIGTERM and SIGUSR1 a run saves and ends: preempted, or at its\n' +
        'limit, it is requeued and goes on from there, with the same bits. slurm/ in the folder has the script and a log of each task.',
    )
    .argument('<file>', 'as sweep takes it')
    .action(async (file: string, options: SubmitOptions) => {
      const { submit } = await import('../commands/sweep.ts');
      await submit(file, options);
    });
  addExamples(command, [
    ['sweep submit widths.yaml --slurm --partition short --time 04:00:00 --cpus 8', 'one array, a task a run'],
    ['sweep status runs/widths', 'with what squeue and sacct say'],
    ['sweep collect runs/widths', 'the table of what is finished'],
  ]);
}

function addTask(sweep: Command): void {
  const command = sweep
    .command('task', { hidden: true })
    .description('Trains one run of a sweep: what a job of an array runs.')
    .argument('<folder>', 'that the sweep was made in')
    .argument('<number>', 'of the run, from 0', atLeast(0))
    .action(async (folder: string, number: number) => {
      const { runTask } = await import('../commands/sweep.ts');
      await runTask(folder, number);
    });
  addExamples(command, [['sweep task runs/widths 0', 'the first run']]);
}

function addStatus(sweep: Command): void {
  const command = sweep
    .command('status')
    .summary('how far the runs of a sweep are')
    .description(
      'Prints of each run whether it is done, running, failed and why, stopped or waiting; its step, speed and time left.',
    )
    .argument('<folder>', 'that the sweep was made in')
    .action(async (folder: string) => {
      const { printStatus } = await import('../commands/sweep.ts');
      await printStatus(folder);
    });
  addExamples(command, [['sweep status runs/widths', '']]);
}

function addCollect(sweep: Command): void {
  const command = addSortOption(sweep.command('collect'), 'that of the runs')
    .summary('set the finished runs of a sweep side by side')
    .description(
      'Prints the table of the runs that are finished and draws their pictures, while others may still train; once all are, it writes\n' +
        'summary.json. Runs that are not finished are named, and make it fail.',
    )
    .argument('<folder>', 'that the sweep was made in')
    .action(async (folder: string, options: TableOptions) => {
      const { collect } = await import('../commands/sweep.ts');
      await collect(folder, options);
    });
  addExamples(command, [
    ['sweep collect runs/widths', ''],
    ['sweep collect runs/widths --sort testLoss', 'the best first'],
  ]);
}
