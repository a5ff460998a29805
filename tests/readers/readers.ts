/** Readers of what may come from a stranger, each with an input that is as it should be. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { BpeTokenizer, openSource, parseTokenizer, type SourceSpec, trainBpe } from '@lpr/data';
import { decodeLoads, decodeTrace, encodeLoadHeader, encodeLoadWindow, encodeTrace, TraceRecorder } from '@lpr/metrics';
import { decodeSafetensors, encodeSafetensors, parseDecoderConfig, planDecoder } from '@lpr/model';
import { readConfig } from '@lpr/model/node';
import {
  checkText,
  newestCheckpoint,
  parseYaml,
  readComparison,
  readRun,
  readSummary,
  saveCheckpoint,
} from '@lpr/runs';
import { readFileSync } from 'node:fs';
import type { Random } from '../random.ts';
import { mutateBytes, mutateData } from './mutate.ts';

export interface Reader {
  readonly name: string;
  /** Another input, near one that is as it should be. */
  readonly make: (random: Random) => Uint8Array;
  /** Reads it. @param folder an empty one */
  readonly read: (input: Uint8Array, folder: string) => unknown;
}

const bytesOf = (text: string): Uint8Array => Buffer.from(text);
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** JSON that is changed by its values, now and then by its bytes. */
function json(value: unknown): Reader['make'] {
  return (random) => {
    const text = JSON.stringify(mutateData(value, random)) ?? 'undefined';
    return random() < 0.1 ? mutateBytes(bytesOf(text), random) : bytesOf(text);
  };
}

function bytes(value: Uint8Array): Reader['make'] {
  return (random) => mutateBytes(value, random);
}

/** Writes the input where a reader of folders looks for it. */
function inFolder(file: string, read: (folder: string) => Promise<unknown>): Reader['read'] {
  return async (input, folder) => {
    const path = join(folder, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, input);
    return await read(folder);
  };
}

const TOKENIZER = trainBpe(['the state of our union is strong. '.repeat(9)], { vocabularySize: 290 });
const PLAIN = JSON.parse(TOKENIZER.toJson());
/** By the other implementation. */
const SPLIT = JSON.parse(
  new BpeTokenizer({ ...TOKENIZER.model, words: 'qwen2' })
    .toJson()
    .replaceAll(String.raw`|\\p{N}|`, String.raw`|\\p{N}{1,3}|`),
);
const PIECE_TOKENS = ['<unk>', '▁', 't', 'h', 'th', '▁th'];
const PIECE_BYTES = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
const PIECES = {
  ...PLAIN,
  added_tokens: [{ ...PLAIN.added_tokens[0], id: 262 }],
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
  decoder: {
    type: 'Sequence',
    decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }],
  },
  model: {
    type: 'BPE',
    unk_token: '<unk>',
    byte_fallback: true,
    vocab: Object.fromEntries([...PIECE_TOKENS, ...PIECE_BYTES].map((token, id) => [token, id])),
    merges: [
      ['t', 'h'],
      ['▁', 'th'],
    ],
  },
};

const CONFIGS = [
  {
    model_type: 'qwen3_moe',
    num_experts: 6,
    moe_intermediate_size: 12,
    head_dim: 8,
    mlp_only_layers: [0],
    router_type: 'lpr',
    lpr_options: { temperature: 2 },
  },
  { model_type: 'mixtral', num_local_experts: 6, router_type: 'sinkhorn', router_options: {} },
  {
    model_type: 'deepseek_v3',
    n_routed_experts: 6,
    moe_intermediate_size: 12,
    n_group: 3,
    topk_group: 2,
    qk_rope_head_dim: 4,
    rope_parameters: { rope_theta: 1e4 },
  },
].map((own) => ({
  ...{ vocab_size: 61, hidden_size: 24, num_hidden_layers: 3, num_attention_heads: 4, max_position_embeddings: 32 },
  ...(own.model_type === 'deepseek_v3' ? {} : { num_key_value_heads: 2 }),
  ...{ intermediate_size: 20, num_experts_per_tok: 2, rms_norm_eps: 1e-6, rope_theta: 1e4, output_router_logits: true },
  ...own,
}));

const SHAPE = { layers: 2, experts: 3, topK: 1 };
const WINDOWS = [1, 2, 3].map((step) =>
  encodeLoadWindow(SHAPE, {
    step,
    tokens: 9,
    counts: [
      [1, 2, 6],
      [3, 3, 3],
    ],
  }),
);
const LOADS = Buffer.concat([encodeLoadHeader(SHAPE), ...WINDOWS]);

function trace(): Uint8Array {
  const recorder = new TraceRecorder({ experts: 3, limit: 8 });
  const layer = { experts: [0, 1, 2, 0, 1, 2, 0, 1], weights: [1, 1, 1, 1, 1, 1, 1, 1] };
  recorder.add({ domain: 'prose', tokenIds: [1, 2, 3, 4, 5, 6, 7, 8], layers: [layer, layer] });
  return encodeTrace(recorder.trace());
}

const TENSORS = encodeSafetensors(
  new Map([
    ['model.norm.weight', { shape: [4], data: Float32Array.of(1, 2, 3, 4) }],
    ['layers.0.tokens', { shape: [2, 1], data: Int32Array.of(5, 6) }],
  ]),
);

const BALANCE = { mean: { gini: 0.25, minMax: 0.5 }, worst: { gini: 0.5, minMax: null } };
const METRICS = {
  step: 1,
  tokens: 10,
  loss: 1,
  totalLoss: 2,
  learningRate: 1e-3,
  gradientNorm: 1,
  terms: { kl: { raw: [1, 2], weighted: [0.25, 0.5] } },
  balance: BALANCE,
  tokensPerSecond: 1000,
  phases: { idle: 1 },
  memory: { host: 1, device: 2 },
};
const EVALUATION = {
  step: 1,
  tokens: 10,
  final: true,
  domains: { prose: { loss: 2, perplexity: 7, tokens: 10 } },
  loss: 2,
  perplexity: 7,
  evaluatedTokens: 10,
  balance: BALANCE,
  mutualInformation: 0.5,
  mutualInformationBias: 0.25,
  counts: [[4, 3, 2, 1]],
};
const SETTINGS = {
  architecture: 'qwen3-moe',
  router: 'lpr',
  seed: 0,
  size: { layers: 2, experts: 3 },
  training: { steps: 10 },
  lpr: { latentDim: 16, measure: 'cosine' },
  data: { sources: [{ type: 'text', paths: ['a.txt'] }] },
};
const ENVIRONMENT = {
  node: 'v20',
  platform: 'linux',
  cpu: 'x',
  cores: 2,
  device: 'wasm',
  threads: 2,
  packages: { a: '1' },
  startedAt: 'now',
  resumedAt: [{ at: 'then', threads: 3 }],
};
const STATE = { format: 'lpr-checkpoint/1', step: 3, tokens: 3, window: { tokens: 0, counts: [[1, 2]] } } as const;
const IDENTITY = {
  settings: { seed: 0, 'size.layers': 2 },
  training: [{ domain: 'prose', tokens: 3, sha256: 'ab' }],
  heldOut: [],
  start: 'ab',
  config: { seed: 0 },
};
const SUMMARY = {
  models: [
    {
      name: 'lpr',
      router: 'lpr',
      architecture: 'qwen3-moe',
      seed: 0,
      steps: 1,
      tokens: 10,
      experts: 4,
      expertsPerToken: 1,
      device: null,
      threads: null,
      tokensPerSecond: 1,
      stepTimeShares: {},
      evaluationTokens: 10,
      testLoss: 2,
      balance: BALANCE,
      pValue: 0.5,
      mutualInformation: 0.5,
      mutualInformationBias: 0.1,
      levels: null,
    },
  ],
};
const TEXT = { training: [{ domain: 'prose', tokens: Int32Array.of(1, 2, 3) }], heldOut: [] };
const COMPARISON = { tables: { '2': ['lpr'] }, runs: { lpr: SETTINGS, 'top-k': SETTINGS } };

/** A file of a run: changed lines beside one that is whole. */
function lines(value: unknown): Reader['make'] {
  const make = json(value);
  return (random) => bytesOf(`${textOf(make(random))}\n${JSON.stringify(value)}\n`);
}

async function readAll(spec: SourceSpec): Promise<number> {
  let characters = 0;
  for (const file of (await openSource(spec)).files) {
    for await (const { documents } of file.shards(0)) for (const { text } of documents) characters += text.length;
  }
  return characters;
}

const source = (type: 'text' | 'jsonl' | 'parquet', file: string): Reader['read'] =>
  inFolder(file, (folder) => readAll({ type, paths: [join(folder, file)] }));

function encodeAll(input: Uint8Array): void {
  const tokenizer = parseTokenizer(textOf(input));
  const ids = tokenizer.encode('the state of <|endoftext|> é🙂 12,345  \n');
  if (ids.every((id) => id < tokenizer.vocabularySize)) tokenizer.decode(ids);
}

const run = (file: string): Reader['read'] => inFolder(file, readRun);
const PARQUET = readFileSync(new URL('rows.parquet', import.meta.url));

export const READERS: readonly Reader[] = [
  { name: 'tokenizer-own', make: json(PLAIN), read: encodeAll },
  { name: 'tokenizer-split', make: json(SPLIT), read: encodeAll },
  { name: 'tokenizer-pieces', make: json(PIECES), read: encodeAll },
  ...CONFIGS.map((config) => ({
    name: `config-${config.model_type.replaceAll('_', '-')}`,
    make: json(config),
    read: (input: Uint8Array) => planDecoder(parseDecoderConfig(JSON.parse(textOf(input)))),
  })),
  { name: 'config-file', make: bytes(bytesOf(JSON.stringify(CONFIGS[0]))), read: inFolder('config.json', readConfig) },
  { name: 'safetensors', make: bytes(TENSORS), read: decodeSafetensors },
  { name: 'loads', make: bytes(LOADS), read: decodeLoads },
  { name: 'trace', make: bytes(trace()), read: decodeTrace },
  {
    name: 'yaml',
    make: bytes(bytesOf('a: &a [1, "b", {c: *a}]\nd: |\n  text\n? e\n: !!str 7\n')),
    read: (input) => parseYaml(textOf(input)),
  },
  { name: 'run-config', make: json(SETTINGS), read: run('config.yaml') },
  { name: 'run-metrics', make: lines(METRICS), read: run('metrics.jsonl') },
  { name: 'run-evaluations', make: lines(EVALUATION), read: run('evaluations.jsonl') },
  { name: 'run-environment', make: json(ENVIRONMENT), read: run('environment.json') },
  { name: 'run-loads', make: bytes(LOADS), read: run('loads.bin') },
  { name: 'run-identity', make: json(IDENTITY), read: inFolder('identity.json', (folder) => checkText(folder, TEXT)) },
  {
    name: 'checkpoint-state',
    make: json({ state: STATE, sha256: { state: 'ab', model: 'cd' } }),
    read: async (input, folder) => {
      const step = await saveCheckpoint(folder, STATE, new Map([['model', 'weights']]), 1);
      await writeFile(join(step, 'state.json'), input);
      return await newestCheckpoint(folder, () => {});
    },
  },
  { name: 'comparison', make: json(COMPARISON), read: inFolder('comparison.yaml', readComparison) },
  { name: 'summary', make: json(SUMMARY), read: inFolder('summary.json', readSummary) },
  { name: 'jsonl', make: lines({ id: 1, text: 'Größe', score: 0.5 }), read: source('jsonl', 'a.jsonl') },
  { name: 'text', make: bytes(bytesOf('Größe 🙂\n\nof all\r\n'.repeat(9))), read: source('text', 'a.txt') },
  {
    name: 'parquet',
    make: bytes(PARQUET),
    read: source('parquet', 'a.parquet'),
  },
];

/** Whether an error is the reader's own, not one of the language: that would say that it was not seen coming. */
function isOwn(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof ReferenceError) return false;
  const isOfMemory = /call stack|Invalid (array|string|typed array) length|allocation|out of memory/i;
  return !(error instanceof RangeError && isOfMemory.test(error.message));
}

/** Milliseconds after which readers stop themselves: the patterns of a tokenizer, YAML of a run, parquet's decoder. */
const OWN_LIMIT = 2000;
/** Milliseconds that an input may take: several such stops, on a machine that is busy. */
const MOST = 10 * OWN_LIMIT;

/** What is wrong with how a reader took an input; null when nothing is. */
export async function faultOf({ read }: Reader, input: Uint8Array): Promise<string | null> {
  // Most readers need none.
  const folder = read.length < 2 ? '' : await mkdtemp(join(tmpdir(), 'lpr-readers-'));
  const start = performance.now();
  try {
    await read(input, folder);
  } catch (error) {
    if (!isOwn(error)) return error instanceof Error ? (error.stack ?? String(error)) : `threw ${String(error)}`;
  } finally {
    if (folder !== '') await rm(folder, { recursive: true });
  }
  const milliseconds = performance.now() - start;
  return milliseconds > MOST ? `took ${Math.round(milliseconds)} ms` : null;
}
