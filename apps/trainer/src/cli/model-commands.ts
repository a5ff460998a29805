/** The commands that use a finished model, make a tokenizer, or look at the machine. */
import type { Command } from 'commander';
import { addDeviceOptions, addExamples, atLeast, numberBetween, repeatable } from './options.ts';
import type { BenchOptions } from '../commands/bench.ts';
import type { EvalOptions } from '../commands/eval.ts';
import type { GenerateCommandOptions } from '../commands/generate.ts';
import type { InspectOptions } from '../commands/inspect.ts';
import type { TokenizerOptions } from '../commands/tokenizer.ts';

const MODEL = 'folder of a run, of one of its checkpoints, or a Hugging Face folder';

export function addModelCommands(program: Command): void {
  addEval(program);
  addInspect(program);
  addGenerate(program);
  addExport(program);
  addTokenizer(program);
  addBench(program);
  addDoctor(program);
}

function addEval(program: Command): void {
  const command = addDeviceOptions(program.command('eval'))
    .summary('evaluate a model: loss, balance, specialisation, routing')
    .description(
      'Prints loss and perplexity by domain, every measure of balance for each layer beside what routers without structure would score, and what\n' +
        "experts specialise in and how the model routes, beside what chance would give; on a run's held-out text, its training text, or any other.\n" +
        'Changes nothing.',
    )
    .argument('<model>', MODEL)
    .option('--split <name>', "of the run's text: held-out or training", 'held-out')
    .addOption(repeatable('--domain <name>', 'only these; repeatable').default([], 'all'))
    .addOption(
      repeatable(
        '--text <path>',
        "text file (UTF-8, .jsonl or .parquet) or glob in place of the run's text; repeatable, each a domain of its own",
      ),
    )
    .option('--run <folder>', 'the run whose text to evaluate on, for a model outside of it')
    .option('--tokens <n>', 'at most (default: as in the run; all of --text)', atLeast(1))
    .option('--batch-size <n>', 'sequences at once', atLeast(1), 8)
    .option('--tokenizer <file>', 'a tokenizer.json in place of the one that lies with the model')
    .option('--json', 'print one JSON object, with the loads of every expert')
    .action(async (model: string, options: EvalOptions) => {
      const { printEvaluation } = await import('../commands/eval.ts');
      await printEvaluation(model, options);
    });
  addExamples(command, [
    ['eval runs/train-1', 'the held-out text of the run'],
    ['eval runs/compare-1/lpr --tokens 500000 --json', 'more of it, for programs'],
    ['eval runs/train-1 --split training --domain arxiv', 'one domain of the training text'],
    ['eval exported --text "notes/*.txt"', 'any model on any text'],
    ['eval pruned --run runs/train-1', 'a smaller model on the text of the run that it comes from'],
  ]);
}

function addInspect(program: Command): void {
  const command = addDeviceOptions(program.command('inspect'))
    .summary("look at a model's routers and experts: how prototypes lie, how alike experts are, loads on a text")
    .description(
      'Prints for each layer how many directions the prototypes (rows of the router) span and how alike they are, beside the least that is possible\n' +
        '(Welch bound). Reads only the routers, so a model may be larger than memory; with --text it is loaded, and its loads on the text are shown.\n' +
        "With --similarity all experts are run on the same tokens (of the text, or of its run's held-out text): linear CKA of each pair, beside that of\n" +
        'tokens paired at random. The folder of the run then keeps it, for dashboard render.',
    )
    .argument('<model>', MODEL)
    .addOption(
      repeatable(
        '--text <path>',
        'text file (UTF-8, .jsonl or .parquet) or glob to route; repeatable, each a domain of its own',
      ),
    )
    .option(
      '--similarity [n]',
      'also how alike experts are, on so many tokens (256 unless a number is given)',
      atLeast(2),
    )
    .option('--run <folder>', 'the run whose held-out text --similarity reads, for a model outside of it')
    .option('--tokens <n>', 'of the text, at most', atLeast(1), 16_384)
    .option('--batch-size <n>', 'sequences at once', atLeast(1), 8)
    .option('--tokenizer <file>', 'a tokenizer.json in place of the one that lies with the model')
    .option('--json', 'print one JSON object')
    .action(async (model: string, options: InspectOptions) => {
      const { inspectModel } = await import('../commands/inspect.ts');
      await inspectModel(model, options);
    });
  addExamples(command, [
    ['inspect Qwen3-30B-A3B', 'a folder from the Hugging Face hub'],
    ['inspect runs/train-1 --text book.txt', 'and where the tokens of a text go'],
    ['inspect runs/train-1 --similarity', 'and how alike its experts are on held-out text'],
  ]);
}

function addGenerate(program: Command): void {
  const command = addDeviceOptions(program.command('generate'))
    .summary('continue a prompt with a trained model')
    .description('Prints the prompt and what the model makes of it, as it comes.')
    .argument('<model>', MODEL)
    .option('--prompt <text>', 'what to continue; - reads it from standard input', '')
    .option('--tokens <n>', 'new tokens, at most (default: 100, or what the model has room for)', atLeast(1))
    .option(
      '--temperature <t>',
      'logits are divided by it: below 1 likelier tokens, above 1 more surprising ones',
      numberBetween(0, 100),
      0.8,
    )
    .option('--greedy', 'always the likeliest token; the same as --temperature 0')
    .option('--top-k <k>', 'draw from the k likeliest tokens alone', atLeast(1))
    .option('--top-p <p>', 'draw from the fewest tokens whose probabilities sum to this', numberBetween(0, 1))
    .option('--seed <n>', 'of the draws', atLeast(0), 0)
    .option('--tokenizer <file>', 'a tokenizer.json in place of the one that lies with the model')
    .action(async (model: string, options: GenerateCommandOptions) => {
      const { generateText } = await import('../commands/generate.ts');
      await generateText(model, options);
    });
  addExamples(command, [
    ['generate runs/train-1 --prompt "The state of the Union"', ''],
    ['generate runs/train-1 --prompt "We must" --greedy --tokens 20', 'the likeliest continuation'],
    ['generate exported --prompt "We must" --temperature 1 --top-p 0.9 --seed 7', 'nucleus sampling'],
  ]);
}

function addExport(program: Command): void {
  const command = program
    .command('export')
    .summary("write a model as a folder that Hugging Face's libraries open")
    .description(
      'Writes config.json, model.safetensors (float32, Hugging Face names) and the tokenizer into a new folder. Transformers opens models with the\n' +
        "architecture's own router; with LPR too, in version 5 and with trust_remote_code, by the Python that is written beside them. Other\n" +
        'routers it does not have: such a folder is for this program, and export says so.',
    )
    .argument('<model>', MODEL)
    .argument('<folder>', 'to make; must not hold anything yet')
    .option('--tokenizer <file>', 'a tokenizer.json in place of the one that lies with the model')
    .action(async (model: string, folder: string, options: { tokenizer?: string }) => {
      const { exportModel } = await import('../commands/export.ts');
      await exportModel(model, folder, options);
    });
  addExamples(command, [
    ['export runs/train-1 exported', 'the newest checkpoint'],
    ['export runs/train-1/checkpoints/step-000200 exported', 'an earlier one'],
  ]);
}

function addTokenizer(program: Command): void {
  const tokenizer = program
    .command('tokenizer')
    .summary('train a tokenizer')
    .description("Byte-level BPE as Hugging Face's tokenizers library has it.");
  const train = tokenizer
    .command('train')
    .summary('train a byte-level BPE on text')
    .description(
      'Trains a byte-level BPE on text files, or any sources of a configuration file, and writes it as tokenizer.json.',
    )
    .addOption(repeatable('--text <path>', 'text file (UTF-8, .jsonl or .parquet) or glob; repeatable'))
    .option('--config <file>', 'YAML file whose data.sources to read: text, jsonl, parquet, hub')
    .option('--vocabulary <n>', 'tokens, with the 256 bytes and the end of a text', atLeast(257), 4096)
    .option('--max-characters <n>', 'to read, at most; of each source an equal share', atLeast(1), 200_000_000)
    .option('--out <file>', 'where to write it', 'tokenizer.json')
    .action(async (options: TokenizerOptions) => {
      const { trainTokenizer } = await import('../commands/tokenizer.ts');
      await trainTokenizer(options);
    });
  const examples = [
    ['tokenizer train --text book.txt --vocabulary 8192 --out tokenizer.json', ''],
    ['tokenizer train --text "notes/*.txt" --config my.yaml', 'more sources from a file'],
  ] as const;
  addExamples(tokenizer, examples);
  addExamples(train, examples);
}

function addBench(program: Command): void {
  const command = addDeviceOptions(program.command('bench'))
    .summary('measure how many tokens a second this machine trains')
    .description(
      'Times training steps of presets, on ids that stand for text. pnpm bench sets them beside other libraries.',
    )
    .option('--presets <names>', 'separated by commas', 'tiny,small,medium')
    .option('--router <name>', 'as for train', 'lpr')
    .option('--steps <n>', 'timed steps', atLeast(1), 10)
    .action(async (options: BenchOptions) => {
      const { bench } = await import('../commands/bench.ts');
      await bench(options);
    });
  addExamples(command, [
    ['bench --threads 2', 'tiny, small and medium on two threads'],
    ['bench --presets small --router top-k --steps 50', ''],
  ]);
}

function addDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .summary('look at what this machine can do')
    .description(
      'Says which devices, threads and SIMD level there are, computes something on each, and says which presets fit. The exit code is 1 when\n' +
        'something is missing without which nothing runs.',
    )
    .action(async () => {
      const { doctor } = await import('../commands/doctor.ts');
      await doctor();
    });
  addExamples(command, [['doctor', '']]);
}
