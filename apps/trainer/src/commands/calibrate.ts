/** `pnpm trainer calibrate`: a trained model whose selection biases are set so that its load is even over a text. */
import { layersReport } from '@lpr/metrics';
import { exportWeights, planDecoder } from '@lpr/model';
import type { Device } from '@lpr/tensor';
import { alignColumns, balanceText } from '@lpr/report/tables';
import { calibrate, evaluate } from '@lpr/train';
import { UsageError } from '../cli/errors.ts';
import { createProgress } from '../cli/progress.ts';
import { findModel, loadModel } from '../run/model-source.ts';
import { calibrationText } from '../run/session.ts';
import { hasSelectionBias } from '../settings/calibration.ts';
import { writeCompressed } from './compressed.ts';
import { type EvalOptions, textOf } from './eval.ts';
import { shown } from './shared.ts';

export interface CalibrateCommandOptions
  extends Pick<EvalOptions, 'text' | 'batchSize' | 'tokenizer' | 'json' | 'device' | 'threads'> {
  /** Of the text, at most. */
  readonly tokens: number;
  readonly rounds: number;
  readonly out: string;
}

export async function calibrateModel(path: string, options: CalibrateCommandOptions): Promise<void> {
  const { rounds, batchSize, out } = options;
  const source = await findModel(path, options.tokenizer);
  if (!hasSelectionBias(planDecoder(source.config))) {
    throw new UsageError(
      `${path}: no router of this model has a selection bias to set; those of LPR (selectionBiasRate above 0), deepseek-v3 and quantile-balancing have one`,
    );
  }
  const progress = createProgress(process.stderr, process.env);
  try {
    // On the text that the model was trained on, so that the held-out text stays that.
    const text = await textOf(path, source, { ...options, split: 'training', domain: [] }, progress);
    const { batches, total } = calibrationText(text.streams, text.sequenceLength, { tokens: text.tokens, batchSize });
    const compress = async (device: Device) => {
      const decoder = await loadModel(device, source);
      const readings = rounds + 2;
      const reading = (done: number): void => {
        progress.phase('calibrating', `${Math.floor((100 * done) / (readings * total))}%`);
      };
      // On the same text before and after, which calibration itself does not tell: biases move while it reads.
      const loadsFrom = async (read: number) => {
        const onProgress = (done: number): void => reading(read * total + done);
        return layersReport((await evaluate(decoder, batches(), { onProgress })).counts);
      };
      const before = await loadsFrom(0);
      await calibrate(decoder, batches(), { rounds, onProgress: (done) => reading(total + done) });
      const after = await loadsFrom(rounds + 1);
      const weights = await exportWeights(decoder);
      decoder.dispose();
      return { config: source.config, weights, before, after };
    };
    const { before, after } = await writeCompressed(source, { ...options, compress });
    progress.end();
    if (options.json) {
      console.log(JSON.stringify({ model: source.folder, tokens: total, rounds, before, after }));
      return;
    }
    const rows = before.layers.map((layer, i) => [
      `layer ${i}`,
      ...[layer, after.layers[i]!].flatMap(({ gini, minMax }) => [gini.toFixed(4), minMax.toFixed(3)]),
    ]);
    console.log(alignColumns([['', 'Gini', 'min-max', 'calibrated: Gini', 'min-max'], ...rows]).join('\n'));
    console.log(
      `\nOver ${total} tokens of the ${text.text} text, read ${rounds === 1 ? 'once' : `${rounds} times`}: ${balanceText(after.mean, after.worst)}`,
    );
    console.log(`Other text is less even: pnpm trainer eval ${shown(out)} --run FOLDER says how much. ${shown(out)}`);
  } finally {
    progress.end();
  }
}
