/** How alike the experts of a model are on a text, and where a run keeps that. */
import { meanOverPairs } from '@lpr/metrics';
import { encodeSafetensors } from '@lpr/model';
import { formatNumber, type SimilarityRow, similarityTable, tableText } from '@lpr/report/tables';
import { type LayerSimilarity, RunFolder, similarityFile, similarityTensors } from '@lpr/runs';
import { measureSimilarity } from '@lpr/train';
import { createProgress, type Progress } from '../cli/progress.ts';
import { loadModel, type ModelSource } from '../run/model-source.ts';
import { evaluationText } from '../run/session.ts';
import { type EvalOptions, textOf } from './eval.ts';
import { withDevice } from './shared.ts';

/** Tokens that experts are run on unless a number is given. */
const TOKENS = 256;
/** Sequences that these are spread over. */
const SEQUENCES = 16;

export interface SimilarityOptions extends Omit<EvalOptions, 'split' | 'domain' | 'tokens'> {
  /** On so many tokens; true: on as many as usual. */
  readonly similarity: number | true;
}

export interface MeasuredSimilarity {
  /** "256 held-out tokens after step 40" */
  readonly what: string;
  readonly layers: readonly LayerSimilarity[];
  /** The file that the run keeps it in; null where the text or the model is not a run's own. */
  readonly file: string | null;
}

/** Runs all experts on some tokens, and leaves the result in the folder of the run that the model belongs to. */
export async function similarityOf(
  path: string,
  source: ModelSource,
  options: SimilarityOptions,
): Promise<MeasuredSimilarity> {
  const { folder, step } = source;
  const progress = createProgress(process.stderr, process.env);
  try {
    const read = await textOf(path, source, { ...options, split: 'held-out', domain: [] }, progress);
    const layers = await withDevice(options, async (device) => {
      const decoder = await loadModel(device, source);
      const size = { tokens: SEQUENCES * read.sequenceLength, batchSize: options.batchSize };
      const { batches } = evaluationText(read.streams, read.sequenceLength, size);
      const tokens = options.similarity === true ? TOKENS : options.similarity;
      const total = decoder.moeLayers.length;
      const found = await measureSimilarity(decoder, [...batches()], tokens, (done) =>
        progress.phase('running all experts', `layer ${done} of ${total} of ${folder}`),
      );
      decoder.dispose();
      return found;
    });
    const isOwn = read.text === 'held-out' && options.run === undefined;
    return {
      what: `${formatNumber(layers[0]?.tokens ?? 0, 0)} ${read.text} tokens${step === null ? '' : ` after step ${formatNumber(step, 0)}`}`,
      layers,
      file: isOwn && read.run !== null && step !== null ? await store(read.run, step, layers, progress) : null,
    };
  } finally {
    progress.end();
  }
}

/** null, and a note, where the run cannot be written to, as while it trains: what was measured is printed still. */
async function store(
  folder: string,
  step: number,
  layers: readonly LayerSimilarity[],
  progress: Progress,
): Promise<string | null> {
  const run = await RunFolder.open(folder).catch((error: unknown) => {
    progress.note(`warning: not kept in the run: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  });
  if (run === null) return null;
  try {
    await run.writeSimilarity(step, encodeSafetensors(similarityTensors(layers)));
  } finally {
    await run.close();
  }
  return `${folder}/${similarityFile(step)}`;
}

/** What there is to say of each layer. */
export function similarityRows(layers: readonly LayerSimilarity[]): SimilarityRow[] {
  return layers.map(({ layer, similarity, independent }) => ({
    layer,
    mean: meanOverPairs(similarity),
    independent: meanOverPairs(independent),
    closest: closestOf(similarity),
  }));
}

export function similarityReport({ what, layers }: MeasuredSimilarity): string {
  return tableText(similarityTable(what, similarityRows(layers)));
}

function closestOf(similarity: readonly Float64Array[]): SimilarityRow['closest'] {
  let closest: SimilarityRow['closest'] = null;
  for (const [i, row] of similarity.entries()) {
    for (let j = 0; j < i; j++) {
      if (row[j]! > (closest?.value ?? -Infinity)) closest = { experts: [j, i], value: row[j]! };
    }
  }
  return closest;
}
