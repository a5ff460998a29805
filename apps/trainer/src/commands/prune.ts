/** `pnpm trainer prune`: a trained model with fewer experts a layer, and which ones stay. */
import { countParameters, type Weight } from '@lpr/model';
import type { Device } from '@lpr/tensor';
import { evaluate } from '@lpr/train';
import { createProgress } from '../cli/progress.ts';
import { alignColumns } from '@lpr/report/tables';
import { ExpertImportance } from '../compression/importance.ts';
import { checkKept, type PrunedLayer, type PrunedModel, pruneExperts } from '../compression/prune.ts';
import { findModel, loadModel } from '../run/model-source.ts';
import { evaluationText } from '../run/session.ts';
import { writeCompressed } from './compressed.ts';
import { parametersText } from './convert.ts';
import { type EvalOptions, textOf } from './eval.ts';
import { shown } from './shared.ts';

export interface PruneOptions
  extends Pick<EvalOptions, 'text' | 'batchSize' | 'tokenizer' | 'json' | 'device' | 'threads'> {
  /** Experts a layer. */
  readonly keep: number;
  /** The share of the others that goes because it is alike to what stays. */
  readonly redundant: number;
  /** Of the text, at most. */
  readonly tokens: number;
  readonly out: string;
}

export async function pruneModel(path: string, options: PruneOptions): Promise<void> {
  const { keep, redundant, out, batchSize } = options;
  const source = await findModel(path, options.tokenizer);
  checkKept(source.config, keep);
  const progress = createProgress(process.stderr, process.env);
  try {
    // What experts are worth is found on the text that the model was trained on, so that the held-out text stays that.
    const text = await textOf(path, source, { ...options, split: 'training', domain: [] }, progress);
    const compress = async (
      device: Device,
      weights: () => Promise<ReadonlyMap<string, Weight>>,
    ): Promise<PrunedModel> => {
      const decoder = await loadModel(device, source);
      const { batches, total } = evaluationText(text.streams, text.sequenceLength, { tokens: text.tokens, batchSize });
      const importance = new ExpertImportance(decoder.routers.map(({ experts }) => experts));
      await evaluate(decoder, batches(), {
        routed: { tokens: Number.POSITIVE_INFINITY, onBatch: (batch) => importance.add(batch) },
        onProgress: (done) => progress.evaluation(path, done, total),
      });
      decoder.dispose();
      return pruneExperts(source.config, await weights(), importance.shares(), { keep, redundant });
    };
    const { config, layers } = await writeCompressed(source, { ...options, compress });
    progress.end();
    const parameters = { before: countParameters(source.config).total, after: countParameters(config).total };
    if (options.json) {
      console.log(JSON.stringify({ model: source.folder, keep, layers, parameters }));
      return;
    }
    console.log(keptTable(layers));
    console.log(
      `\nEvery layer keeps ${keep}: the config has one number for all. A cut common to all layers alone would leave those at "alone".`,
    );
    console.log(`${parametersText(parameters)}\n${shown(out)}`);
  } finally {
    progress.end();
  }
}

function keptTable(layers: readonly PrunedLayer[]): string {
  const rows = layers.map(({ layer, kept, importance, similarity, clustersAtCommonCut: alone }) => [
    `layer ${layer}`,
    similarity.toFixed(3),
    String(alone),
    kept.reduce((sum, expert) => sum + importance[expert]!, 0).toFixed(3),
    kept.map((expert) => `${expert} (${importance[expert]!.toFixed(3)})`).join(' '),
  ]);
  return alignColumns([
    ['', 'similarity', 'alone', 'kept weight', 'kept experts (share of the weights)'],
    ...rows,
  ]).join('\n');
}
