/** Options that several commands share, and how help shows examples. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PRESETS } from '../settings/decisions.ts';
import { isMethod, ROUTERS } from '../settings/routers.ts';
import { ARCHITECTURES } from '../settings/schema.ts';

/** Everything that decides a run. */
export function addRunOptions(command: Command): Command {
  const presets = Object.entries(PRESETS)
    .filter(([name]) => !name.includes('/'))
    .map(([name, { description }]) => `${name} (${description})`);
  return command
    .option(
      '--preset <name>',
      `${presets.join('; ')}; paper/..., paper-0.1b/... (trainer config presets lists all) (default: quick)`,
    )
    .addOption(
      repeatable(
        '--config <file>',
        'YAML file of settings, over the preset; repeatable, each over those before it (trainer config show prints one)',
      ),
    )
    .option('--arch <name>', `${ARCHITECTURES.join(', ')} (default: ${ARCHITECTURES[0]})`)
    .option(
      '--router <name>',
      "lpr (Latent Prototype Routing, corrected), lpr-tokens (the same, with a table of latents by token id), lpr-paper (its equations read literally), lpr-official (what its released code computes), top-k (the architecture's own), " +
        `another method: ${ROUTERS.filter(isMethod).join(', ')}; or another system: latent-experts (the architecture's own before experts that share ` +
        'projections), dense (no experts: a plain MLP as wide as those of a token). compare takes several, separated by commas, or all (default: lpr). ./my-router.ts: one of your own (new-router writes one)',
    )
    .addOption(
      repeatable(
        '--text <path>',
        'text file (UTF-8, .jsonl or .parquet) or glob to train on, and hold some out of; repeatable, each a domain of its own. Other sources: data.sources in a file ' +
          '(text, jsonl, parquet, hub)',
      ).default([], 'the addresses that come along'),
    )
    .option('--steps <n>', 'training steps (default: as in the preset)', atLeast(1))
    .option('--seed <n>', 'decides initial weights, data order and noise (default: 0)', atLeast(0))
    .option('--threads <n>', 'worker threads; 0 runs in place (default: one a core)', atLeast(0))
    .option(
      '--device <name>',
      'where to compute: wasm (the CPU), gpu (through WebGPU), auto (a GPU where there is one; training takes it where steps of the model are faster), gpu-software (a GPU that the CPU plays: very slow) (default: wasm)',
    )
    .addOption(
      repeatable(
        '--set <path=value>',
        'any other setting, by its path in config.yaml, over all else; repeatable. model.KEY sets a key of config.json that no other setting decides',
      ),
    );
}

/** Of commands that may train one setting several times. */
export function addSeedsOption(command: Command): Command {
  return command.addOption(
    new Option(
      '--seeds <list>',
      'several seeds in place of one, as how many (3: 0, 1 and 2) or which (0,1,5): same text and tokenizer, results as means with their 95 % intervals',
    ).conflicts('seed'),
  );
}

/** Of commands that may train several runs. */
export function addParallelOption(command: Command): Command {
  return command.option(
    '--parallel <n>',
    'runs that train at a time, each in a process of its own, which share the threads: the same bits as one after the other (default: 1)',
    atLeast(1),
  );
}

export function addOutOption(command: Command): Command {
  return command.option('--out <folder>', 'folder to make for the results (default: runs/<command>-<number>)');
}

/** An option that may be given several times; the default is none. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, description)
    .argParser((value: string, before: string[]) => [...before, value])
    .default([], 'none');
}

/** Examples at the end of a command's help: what to type, and what it does. */
export function addExamples(
  command: Command,
  examples: readonly (readonly [command: string, meaning: string])[],
): Command {
  const width = Math.max(...examples.map(([text]) => text.length));
  const lines = examples.map(([text, meaning]) => `  pnpm trainer ${text.padEnd(width)}  ${meaning}`.trimEnd());
  return command.addHelpText('after', ['', 'Examples:', ...lines].join('\n'));
}

/** Reads a whole number of at least `minimum`. */
export function atLeast(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < minimum) {
      throw new InvalidArgumentError(`It must be a whole number of at least ${minimum}.`);
    }
    return value;
  };
}

/** Reads a number within bounds. */
export function numberBetween(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`It must be a number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

/** Where to compute, for commands that use a finished model. */
export function addDeviceOptions(command: Command): Command {
  return command
    .option('--threads <n>', 'worker threads; 0 runs in place (default: one a core)', atLeast(0))
    .option('--device <name>', 'wasm (the CPU), gpu, auto, gpu-software', 'wasm');
}
