/**
 * Checkpoint folders as Hugging Face transformers has them: `config.json` and `model.safetensors`, or several such
 * files with an index of their tensors. Weights pass one tensor at a time, so a folder may be larger than what memory
 * is left beside the decoder. Node only.
 */
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, named, readText } from '@lpr/guard';
import { type Device, sizeOf } from '@lpr/tensor';
import { ConfigError, parseDecoderConfig } from './config.ts';
import { createDecoder, type Decoder } from './decoder.ts';
import { type DecoderConfig, planDecoder } from './families/index.ts';
import { decoderParameters, type ModelParameter, type Piece } from './parameters.ts';
import { SafetensorsFile, writeSafetensors } from './safetensors/file.ts';
import type { SafetensorsEntry } from './safetensors/header.ts';
import { assignHeld, besideModel, eachWeight, matchWeights, type Weight, WeightsError } from './weights.ts';

const CONFIG_FILE = 'config.json';
const WEIGHTS_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';
/** Of a config or an index; that of the largest public models has 16 MB. */
const MOST_JSON_BYTES = 2 ** 27;
/** Files that a save replaces as a set. */
const WEIGHT_FILES = /^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/;

/** Which class of transformers opens a checkpoint. */
const ARCHITECTURES: Readonly<Record<DecoderConfig['model_type'], string>> = {
  qwen3_moe: 'Qwen3MoeForCausalLM',
  mixtral: 'MixtralForCausalLM',
  deepseek_v3: 'DeepseekV3ForCausalLM',
};

/**
 * The config of a checkpoint folder.
 *
 * @throws ConfigError when it is no JSON or names fields that are wrong; the error of the file system when there is
 *   none.
 */
export async function readConfig(folder: string): Promise<DecoderConfig> {
  return parseDecoderConfig(await readJson(join(folder, CONFIG_FILE), ConfigError));
}

export interface LoadOptions {
  /** Read from the folder unless given, for instance with another router's loss weights. */
  readonly config?: DecoderConfig;
  /** Told what of the weights is passed over, loses digits or is not finite, a sentence each. */
  readonly onNote?: (sentence: string) => void;
}

/**
 * A decoder with the config and the weights of a checkpoint folder, of floating-point numbers of any width but eight
 * bits, with experts one by one or stacked. Weights that public checkpoints have beside the model's are passed over.
 *
 * @throws ConfigError, SafetensorsError or WeightsError that says what is wrong with which file; no memory of the
 *   device stays taken.
 */
export async function loadHuggingFace(
  device: Device,
  folder: string,
  { config, onNote }: LoadOptions = {},
): Promise<Decoder> {
  const decoderConfig = config ?? (await readConfig(folder));
  return await withWeights(folder, decoderParameters(planDecoder(decoderConfig)), onNote, async (fill) => {
    const decoder = createDecoder(device, decoderConfig, { seed: 0 });
    try {
      await fill(decoder);
    } catch (error) {
      decoder.dispose();
      throw error;
    }
    return decoder;
  });
}

/**
 * Overwrites all parameters and buffers of a decoder with the weights of a checkpoint folder, as `loadHuggingFace`
 * reads them.
 *
 * @throws SafetensorsError or WeightsError; where it names what does not fit the decoder, nothing is overwritten.
 */
export async function importHuggingFace(decoder: Decoder, folder: string, onTensor?: TensorListener): Promise<void> {
  await withWeights(folder, decoder.layout, undefined, (fill) => fill(decoder, onTensor));
}

/** Told of each whole tensor as it is read, in the order of the layout, and waited for. */
export type TensorListener = (parameter: ModelParameter, values: Float32Array) => Promise<void>;

/**
 * Whether the weights of a checkpoint folder fit a decoder, from their headers alone.
 *
 * @throws SafetensorsError or WeightsError that lists every missing, unknown and misshapen name
 */
export async function checkWeights(folder: string, config: DecoderConfig): Promise<void> {
  await withWeights(folder, decoderParameters(planDecoder(config)), undefined, async () => {});
}

/** Names of the files that hold the weights of a checkpoint folder. Throws WeightsError when there are none. */
export async function weightFiles(folder: string): Promise<string[]> {
  const present = await readdir(folder);
  if (present.includes(WEIGHTS_FILE)) return [WEIGHTS_FILE];
  return [...new Set((await readIndex(folder, present)).values())].toSorted();
}

/**
 * Some weights of a checkpoint folder, under the names that they have there, without reading the others: a folder may
 * be larger than any memory.
 *
 * @throws SafetensorsError or WeightsError that says what is wrong with which file
 */
export async function readWeights(folder: string, isWanted: (name: string) => boolean): Promise<Map<string, Weight>> {
  const { files, entries } = await openWeights(folder);
  try {
    const weights = new Map<string, Weight>();
    for (const entry of entries.values()) {
      if (!isWanted(entry.name)) continue;
      weights.set(entry.name, { shape: entry.shape, data: (await entry.file.read(entry)) as Float32Array });
    }
    return weights;
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/**
 * Opens the weights of a folder, checks that they fit a layout, and hands on what fills a decoder with them, one tensor
 * in memory at a time.
 */
async function withWeights<Result>(
  folder: string,
  layout: Decoder['layout'],
  onNote: LoadOptions['onNote'],
  use: (fill: (decoder: Decoder, onTensor?: TensorListener) => Promise<void>) => Promise<Result>,
): Promise<Result> {
  const { files, entries } = await openWeights(folder);
  try {
    const targets = matchWeights(layout, entries);
    for (const sentence of notesOn(entries, layout)) onNote?.(sentence);
    return await use(async (decoder, onTensor) => {
      const broken: string[] = [];
      for (const { parameter, parts } of targets) {
        const values = new Float32Array(sizeOf(parameter.shape));
        for (const { name, start } of parts) {
          const entry = entries.get(name)!;
          values.set((await entry.file.read(entry)) as Float32Array, start);
        }
        assignHeld(decoder, parameter, values);
        if (onNote !== undefined && !values.every(Number.isFinite)) broken.push(parameter.name);
        await onTensor?.(parameter, values);
      }
      if (broken.length > 0) {
        onNote!(`${broken.length} weights hold numbers that are not finite in float32, such as ${broken[0]}`);
      }
    });
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** What a reader of these weights should know, by kind. */
function notesOn(entries: ReadonlyMap<string, SafetensorsEntry>, layout: Decoder['layout']): string[] {
  const kinds = new Map<string, string[]>();
  for (const { name, what } of besideModel(entries.keys(), layout)) {
    const names = kinds.get(what) ?? [];
    kinds.set(what, names);
    names.push(name);
  }
  const passed = Array.from(
    kinds,
    ([what, names]) => `${names.length} weights are passed over, such as ${names[0]}: ${what}`,
  );
  const wide = Array.from(entries.values()).filter(({ dtype }) => dtype === 'F64');
  return wide.length === 0
    ? passed
    : [...passed, `${wide.length} weights of float64 are read as float32, such as ${wide[0]!.name}`];
}

export interface SaveOptions {
  /**
   * A file holds at most this many bytes of weights (but at least one tensor); 5e9 unless given, as in transformers.
   */
  readonly maxShardBytes?: number;
}

/**
 * Writes a decoder as a checkpoint folder that transformers opens where the router is the family's own
 * (`saveForTransformers`: with LPR too), float32, each expert's matrices by themselves. Weights of an earlier save are
 * replaced; each file appears whole or not at all.
 */
export async function saveHuggingFace(decoder: Decoder, folder: string, options: SaveOptions = {}): Promise<void> {
  const { maxShardBytes = 5e9 } = options;
  await makeFolder(folder);
  const shards = splitIntoShards(decoder, maxShardBytes);
  const names = shards.map((_, i) =>
    shards.length === 1 ? WEIGHTS_FILE : `model-${fiveDigits(i + 1)}-of-${fiveDigits(shards.length)}.safetensors`,
  );
  const weights = eachWeight(decoder);
  for (const [i, shard] of shards.entries()) {
    await writeWhole(join(folder, names[i]!), (path) => writeSafetensors(path, shard, nextOf(weights, shard.length)));
  }
  const written = new Set(names);
  if (shards.length > 1) {
    const total = shards.flat().reduce((bytes, { shape }) => bytes + 4 * sizeOf(shape), 0);
    const files = shards.flatMap((shard, i) => shard.map(({ name }) => [name, names[i]!]));
    const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(files) };
    await writeWhole(join(folder, INDEX_FILE), (path) => writeFile(path, json(index)));
    written.add(INDEX_FILE);
  }
  await writeWhole(join(folder, CONFIG_FILE), (path) => writeFile(path, configJson(decoder.config)));
  for (const old of await readdir(folder)) {
    if (WEIGHT_FILES.test(old) && !written.has(old)) await rm(join(folder, old));
  }
}

/** Keys that transformers 5 takes no whole numbers for: in JSON they need a point. */
const FLOATS =
  /^( *"(?:rms_norm_eps|rope_theta|initializer_range|router_aux_loss_coef|router_jitter_noise|routed_scaling_factor)": -?\d+)(,?)$/gm;

/** The text of `config.json` for a decoder of float32 weights, with keys that say otherwise what they say. */
export function configJson(config: DecoderConfig, others: object = {}): string {
  const text = json({
    ...config,
    architectures: [ARCHITECTURES[config.model_type]],
    torch_dtype: 'float32',
    ...others,
  });
  return text.replaceAll(FLOATS, '$1.0$2');
}

interface PlacedEntry extends SafetensorsEntry {
  readonly file: SafetensorsFile;
}

/** All tensors of the folder's weight files; the files are open. */
async function openWeights(
  folder: string,
): Promise<{ files: SafetensorsFile[]; entries: ReadonlyMap<string, PlacedEntry> }> {
  const present = await readdir(folder);
  const places = present.includes(WEIGHTS_FILE) ? null : await readIndex(folder, present);
  const files: SafetensorsFile[] = [];
  const entries = new Map<string, PlacedEntry>();
  try {
    for (const name of places === null ? [WEIGHTS_FILE] : new Set(places.values())) {
      const file = await SafetensorsFile.open(join(folder, name));
      files.push(file);
      for (const entry of file.header.entries) {
        if (places !== null && places.get(entry.name) !== name) {
          throw new WeightsError(
            `${join(folder, name)} holds ${entry.name}, which ${INDEX_FILE} ${places.has(entry.name) ? `places in ${places.get(entry.name)}` : 'does not name'}`,
          );
        }
        entries.set(entry.name, { ...entry, file });
      }
    }
    for (const [name, file] of places ?? []) {
      if (!entries.has(name)) throw new WeightsError(`${INDEX_FILE} places ${name} in ${file}, which does not hold it`);
    }
    return { files, entries };
  } catch (error) {
    await Promise.all(files.map((file) => file.close()));
    throw error;
  }
}

/** Which tensor lies in which file. */
async function readIndex(folder: string, present: readonly string[]): Promise<ReadonlyMap<string, string>> {
  if (!present.includes(INDEX_FILE)) {
    throw new WeightsError(`${folder} holds neither ${WEIGHTS_FILE} nor ${INDEX_FILE}`);
  }
  const path = join(folder, INDEX_FILE);
  const index = await readJson(path, WeightsError);
  const map = typeof index === 'object' && index !== null && 'weight_map' in index ? index.weight_map : undefined;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw new WeightsError(`${path}: weight_map must be an object that names each tensor's file`);
  }
  const places = new Map<string, string>();
  for (const [name, file] of Object.entries(map)) {
    // A name of the folder itself, so that no index leads out of it.
    if (typeof file !== 'string' || !present.includes(file)) {
      throw new WeightsError(`${path}: places ${name} in ${JSON.stringify(file)}, which is no file of the folder`);
    }
    places.set(name, file);
  }
  return places;
}

function splitIntoShards(decoder: Decoder, maxBytes: number): Piece[][] {
  const shards: Piece[][] = [];
  let room = 0;
  for (const piece of decoder.layout.flatMap(({ pieces }) => pieces)) {
    const bytes = 4 * sizeOf(piece.shape);
    if (bytes > room) {
      shards.push([]);
      room = maxBytes;
    }
    shards.at(-1)!.push(piece);
    room -= bytes;
  }
  return shards;
}

/** The data of the next `count` weights; leaves the rest to the next call. */
async function* nextOf(weights: ReturnType<typeof eachWeight>, count: number): AsyncGenerator<Float32Array> {
  for (let i = 0; i < count; i++) {
    const { value, done } = await weights.next();
    if (done) return;
    yield value.data;
  }
}

/** Writes under a temporary name, then renames over what was there. */
async function writeWhole(path: string, write: (path: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.part`;
  try {
    await rm(temporary, { force: true });
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function readJson(
  path: string,
  Problem: new (message: string, options: ErrorOptions) => Error,
): Promise<unknown> {
  const text = await named(path, readText(path, MOST_JSON_BYTES), Problem);
  try {
    // Some editors put a byte order mark in front.
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new Problem(`${path}: is not JSON: ${(error as Error).message}`, { cause: error });
  }
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function fiveDigits(n: number): string {
  return String(n).padStart(5, '0');
}
