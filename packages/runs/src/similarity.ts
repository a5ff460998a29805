/**
 * How alike the experts of a run are, measured of a checkpoint when asked for: `similarity/step-000123.safetensors`
 * with `layers.I.similarity` and `layers.I.independent`, f32 `[M, M]` (@lpr/metrics, expert-similarity.ts), and
 * `layers.I.tokens`, i32 `[1]`, how many tokens the experts were run on; I is the layer's number in the model.
 */
import type { ExpertSimilarity } from '@lpr/metrics';
import { RUN_FOLDERS, similarityFile, stepsOf } from './names.ts';
import { namesIn, type Part, readPart, type RunFiles, readWhole } from './run-files.ts';
import type { DecodeTensors } from './traces.ts';

/** Of one layer. */
export interface LayerSimilarity extends ExpertSimilarity {
  readonly layer: number;
  readonly tokens: number;
}

/** Of all layers with experts. */
export interface Similarity {
  /** Of the checkpoint. */
  readonly step: number;
  readonly layers: readonly LayerSimilarity[];
}

type StoredTensor = { readonly shape: readonly number[]; readonly data: Float32Array | Int32Array };

/** The tensors of the file, by name. */
export function similarityTensors(layers: readonly LayerSimilarity[]): Map<string, StoredTensor> {
  const tensors = new Map<string, StoredTensor>();
  for (const { layer, tokens, similarity, independent } of layers) {
    for (const [part, rows] of Object.entries({ similarity, independent })) {
      const data = Float32Array.from(rows.flatMap((row) => Array.from(row)));
      tensors.set(`layers.${layer}.${part}`, { shape: [rows.length, rows.length], data });
    }
    tensors.set(`layers.${layer}.tokens`, { shape: [1], data: Int32Array.of(tokens) });
  }
  return tensors;
}

/** The newest that was measured of a run. @param decode reads safetensors */
export async function readSimilarity(files: RunFiles, decode: DecodeTensors): Promise<Part<Similarity>> {
  const newest = stepsOf(await namesIn(files, RUN_FOLDERS.similarity), '.safetensors').at(-1);
  if (newest === undefined) {
    return {
      missing: `there is nothing in ${RUN_FOLDERS.similarity}/; trainer inspect RUN --similarity measures it`,
    };
  }
  return await readPart(files, similarityFile(newest), async (file) => {
    const tensors = decode(await readWhole(file));
    const numbers = Array.from(tensors.keys())
      .flatMap((name) => /^layers\.(\d+)\.similarity$/.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
    if (numbers.length === 0) throw new Error('it has no tensor named like layers.0.similarity');
    return { step: newest, layers: numbers.map((layer) => layerSimilarity(tensors, layer)) };
  });
}

function layerSimilarity(tensors: ReturnType<DecodeTensors>, layer: number): LayerSimilarity {
  const table = (part: string): Float64Array[] => {
    const tensor = tensors.get(`layers.${layer}.${part}`);
    const [experts = 0, columns] = tensor?.shape ?? [];
    if (tensor === undefined || experts === 0 || experts !== columns || tensor.shape.length !== 2) {
      throw new Error(`layers.${layer}.${part} is missing or no square matrix`);
    }
    const values = Float64Array.from(tensor.data as ArrayLike<number>);
    return Array.from({ length: experts }, (_, i) => values.slice(i * experts, (i + 1) * experts));
  };
  const tokens = Number(tensors.get(`layers.${layer}.tokens`)?.data[0]);
  if (!(Number.isInteger(tokens) && tokens > 1)) throw new Error(`layers.${layer}.tokens is no number of tokens`);
  return { layer, tokens, similarity: table('similarity'), independent: table('independent') };
}
