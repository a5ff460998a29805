/** The commands that make another model out of a trained one, and their help. */
import type { Command } from 'commander';
import { addDeviceOptions, addExamples, atLeast, numberBetween, repeatable } from './options.ts';
import type { CalibrateCommandOptions } from '../commands/calibrate.ts';
import type { ConvertOptions } from '../commands/convert.ts';
import type { PruneOptions } from '../commands/prune.ts';

const MODEL = 'folder of a run, of one of its checkpoints, or a Hugging Face folder';

export function addCompressionCommands(program: Command): void {
  addConvert(program);
  addPrune(program);
  addCalibrate(program);
}

function addConvert(program: Command): void {
  const command = program
    .command('convert')
    .summary('let the experts of a trained model share projections (latent experts)')
    .description(
      'Puts latent experts (MoLAE, arXiv 2503.23100) in place of those of a trained model: in each layer the gate, up and down matrices of all experts\n' +
        'get a common factor, the best one by singular values. Writes the model as a Hugging Face folder and prints the relative error of each\n' +
        'matrix. Nothing is trained. The time grows with the cube of the width of tokens.',
    )
    .argument('<model>', MODEL)
    .requiredOption(
      '--latent-experts <n>',
      'width of the shared space; saves where it is well below that of tokens',
      atLeast(1),
    )
    .requiredOption('--out <folder>', 'to make; must not hold anything yet')
    .option('--tokenizer <file>', 'a tokenizer.json in place of the one that lies with the model')
    .option('--json', 'print one JSON object')
    .action(async (model: string, options: ConvertOptions) => {
      const { convertModel } = await import('../commands/convert.ts');
      await convertModel(model, options);
    });
  addExamples(command, [
    ['convert runs/train-1 --latent-experts 32 --out latent', ''],
    ['eval latent --run runs/train-1', 'what that costs on the held-out text'],
  ]);
}

function addPrune(program: Command): void {
  const command = addDeviceOptions(program.command('prune'))
    .summary('take experts out of a trained model')
    .description(
      'Keeps equally many experts in every layer, after C-Prune (arXiv 2504.07807): experts whose parameters are alike are clustered, all layers at one\n' +
        "similarity; clusters of little weight on the run's training text go; of each cluster that stays, the expert with most weight stays.\n" +
        'Writes the model as a Hugging Face folder and prints which experts stay. Nothing is trained.',
    )
    .argument('<model>', MODEL)
    .requiredOption('--keep <n>', 'experts a layer', atLeast(1))
    .requiredOption('--out <folder>', 'to make; must not hold anything yet')
    .option(
      '--redundant <share>',
      'of the experts to go, the share that goes because others are alike; the rest has the least weight',
      numberBetween(0, 1),
      0.5,
    )
    .addOption(repeatable('--text <path>', "UTF-8 text file or glob in place of the run's training text; repeatable"))
    .option('--tokens <n>', 'of the text, at most', atLeast(1), 65_536)
    .option('--batch-size <n>', 'sequences at once', atLeast(1), 8)
    .option('--tokenizer <file>', 'a tokenizer.json in place of the one that lies with the model')
    .option('--json', 'print one JSON object')
    .action(async (model: string, options: PruneOptions) => {
      const { pruneModel } = await import('../commands/prune.ts');
      await pruneModel(model, options);
    });
  addExamples(command, [
    ['prune runs/train-1 --keep 16 --out pruned', ''],
    ['prune runs/train-1 --keep 16 --redundant 0 --out pruned', 'by weight alone'],
    ['eval pruned --run runs/train-1', 'what that costs on the held-out text'],
  ]);
}

function addCalibrate(program: Command): void {
  const command = addDeviceOptions(program.command('calibrate'))
    .summary("even a trained model's load out by its selection biases alone")
    .description(
      "Reads the run's training text a few times and sets the selection bias of every router so that each expert gets the same load there, all weights\n" +
        'as they are. Takes routers that have one: LPR, deepseek-v3, quantile-balancing. Writes the model as a Hugging Face folder and prints the load\n' +
        'of each layer before and after. Runs of LPR do this at their end: training.calibration.',
    )
    .argument('<model>', MODEL)
    .requiredOption('--out <folder>', 'to make; must not hold anything yet')
    .option('--rounds <n>', 'times that the text is read; more text is better, where there is some', atLeast(1), 1)
    .addOption(repeatable('--text <path>', "UTF-8 text file or glob in place of the run's training text; repeatable"))
    .option('--tokens <n>', 'of the text, at most', atLeast(1), 262_144)
    .option('--batch-size <n>', 'sequences at once, at most: biases move after each batch', atLeast(1), 16)
    .option('--tokenizer <file>', 'a tokenizer.json in place of the one that lies with the model')
    .option('--json', 'print one JSON object')
    .action(async (model: string, options: CalibrateCommandOptions) => {
      const { calibrateModel } = await import('../commands/calibrate.ts');
      await calibrateModel(model, options);
    });
  addExamples(command, [
    ['calibrate runs/train-1 --out calibrated', ''],
    ['eval calibrated --run runs/train-1', 'how even that leaves the held-out text'],
  ]);
}
