/** `pnpm trainer config`: settings looked at before anything runs. */
import { alignColumns, tableText } from '@lpr/report/tables';
import { writeWhole } from '@lpr/runs';
import { stringify } from 'yaml';
import { hyperparameterTable } from '../comparison/hyperparameters.ts';
import { predictionText, predictRun } from '../run/prediction.ts';
import { PRESETS } from '../settings/decisions.ts';
import { configJsonSchema, sweepJsonSchema } from '../settings/json-schema.ts';
import { resolveSettings, type SettingOptions } from '../settings/resolve.ts';
import { checkOutFile } from './shared.ts';

/** Prints the settings of a run as YAML, which `--config` reads. */
export function showConfig(options: SettingOptions): void {
  const settings = resolveSettings(options);
  console.log(`# ${predictionText(predictRun(settings))}\n${stringify(settings).trimEnd()}`);
}

/** Prints the JSON schema of configuration files, or of those of sweeps, or writes it. */
export async function writeConfigSchema(options: { readonly out?: string; readonly sweep?: true }): Promise<void> {
  const { out, sweep } = options;
  const text = JSON.stringify(sweep ? sweepJsonSchema() : configJsonSchema(), null, 2);
  if (out === undefined) {
    console.log(text);
  } else {
    await checkOutFile(out);
    await writeWhole(out, `${text}\n`);
  }
}

/** Prints every preset with what it will take. */
export function listPresets(): void {
  const rows = Object.entries(PRESETS).map(([preset, { description }]) => {
    const { parameters, tokens, memory } = predictRun(resolveSettings({ preset, config: [], set: [] }));
    const numbers = [
      `${(parameters / 1e6).toFixed(1)}M`,
      `${(tokens / 1e6).toFixed(1)}M`,
      (memory.total / 2 ** 30).toFixed(2),
    ];
    return { numbers: [preset, ...numbers], description };
  });
  const [head, ...lines] = alignColumns([['', 'parameters', 'tokens', 'GiB'], ...rows.map(({ numbers }) => numbers)]);
  console.log([head, ...lines.map((line, i) => `${line}  ${rows[i]!.description}`)].join('\n'));
}

/** Prints the paper's hyperparameters beside those of our presets of its models. */
export function printHyperparameters(): void {
  console.log(tableText(hyperparameterTable()));
}
