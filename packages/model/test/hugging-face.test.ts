import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWasmDevice } from '@lpr/tensor';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ConfigError,
  createDecoder,
  decodeSafetensors,
  encodeSafetensors,
  exportWeights,
  SafetensorsError,
  WeightsError,
} from '../src/index.ts';
import { loadHuggingFace, saveHuggingFace } from '../src/node.ts';
import { encodeHeader } from '../src/safetensors/header.ts';
import { tensorOf } from '../src/weights.ts';
import { familyConfig } from './support.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lpr-model-'));
});
afterEach(() => rm(folder, { recursive: true }));

const INDEX = 'model.safetensors.index.json';

async function saved(family: Parameters<typeof familyConfig>[0], maxShardBytes?: number) {
  const decoder = createDecoder(device, familyConfig(family, { router_type: 'lpr', lpr_formulation: 'official' }), {
    seed: 3,
  });
  await saveHuggingFace(decoder, folder, maxShardBytes === undefined ? {} : { maxShardBytes });
  const weights = await exportWeights(decoder);
  decoder.dispose();
  return weights;
}

async function loaded() {
  const decoder = await loadHuggingFace(device, folder);
  const weights = await exportWeights(decoder);
  const { config } = decoder;
  decoder.dispose();
  return { weights, config };
}

describe('a checkpoint folder', () => {
  it.each(['qwen3_moe', 'mixtral', 'deepseek_v3'] as const)(
    'of %s gives back config and weights, bit by bit',
    async (family) => {
      const weights = await saved(family);
      expect((await readdir(folder)).sort()).toEqual(['config.json', 'model.safetensors']);
      const { weights: read, config } = await loaded();
      expect(read).toEqual(weights);
      expect(config).toMatchObject(familyConfig(family, { router_type: 'lpr', lpr_formulation: 'official' }));
      // One tensor an expert, under the names of the family.
      const experts = [...decodeSafetensors(await readFile(join(folder, 'model.safetensors'))).keys()].filter((name) =>
        name.includes('experts.5.'),
      );
      const names = family === 'mixtral' ? ['w1', 'w3', 'w2'] : ['gate_proj', 'up_proj', 'down_proj'];
      expect(experts.slice(0, 3).map((name) => name.split('.').at(-2))).toEqual(names);
    },
  );

  it('is split into shards of the given size, with an index of all tensors', async () => {
    const weights = await saved('mixtral', 8000);
    const files = (await readdir(folder)).filter((file) => file.endsWith('.safetensors'));
    expect(files.length).toBeGreaterThan(2);
    expect(files[0]).toBe(`model-00001-of-${String(files.length).padStart(5, '0')}.safetensors`);
    for (const file of files) {
      const tensors = decodeSafetensors(await readFile(join(folder, file)));
      expect([...tensors.values()].reduce((bytes, { data }) => bytes + data.byteLength, 0)).toBeLessThanOrEqual(8000);
    }
    const index = JSON.parse(await readFile(join(folder, INDEX), 'utf8'));
    expect(Object.keys(index.weight_map)).toEqual([...weights.keys()]);
    expect(index.metadata.total_size).toBe(
      [...weights.values()].reduce((bytes, { data }) => bytes + data.byteLength, 0),
    );
    expect((await loaded()).weights).toEqual(weights);
  });

  it('holds nothing of an earlier save with other files', async () => {
    await saved('mixtral', 8000);
    const weights = await saved('qwen3_moe');
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'model.safetensors']);
    expect((await loaded()).weights).toEqual(weights);
    await saved('mixtral', 8000);
    expect(await readdir(folder)).not.toContain('model.safetensors');
    await loaded();
  });

  it('may hold bfloat16 numbers', async () => {
    const weights = await saved('qwen3_moe');
    const file = join(folder, 'model.safetensors');
    await writeFile(file, halved(await readFile(file)));
    const { weights: read } = await loaded();
    for (const [name, { data }] of weights) {
      const bits = new Uint32Array(data.slice().buffer).map((word) => word & 0xffff0000);
      expect(read.get(name)!.data).toEqual(new Float32Array(bits.buffer));
    }
  });

  it.each([
    ['no config', ['config.json'], null, Error, 'ENOENT'],
    ['a config that is no JSON', ['config.json'], '{', ConfigError, 'config.json: is not JSON'],
    ['no weights', ['model-', INDEX], null, WeightsError, `holds neither model.safetensors nor ${INDEX}`],
    ['a missing shard', ['model-00002'], null, WeightsError, 'which is no file of the folder'],
    ['a cut shard', ['model-00002'], 'abc', SafetensorsError, 'a file has at least 8 bytes, got 3'],
    ['an index that is no JSON', [INDEX], '[', WeightsError, 'is not JSON'],
    ['an index without a map', [INDEX], '{"weight_map": []}', WeightsError, 'weight_map must be an object'],
    [
      'an index that leads out of the folder',
      [INDEX],
      '{"weight_map": {"model.norm.weight": "../secret"}}',
      WeightsError,
      'in "../secret", which is no file of the folder',
    ],
  ] as const)('with %s is refused', async (_, files, content, Problem, message) => {
    await saved('mixtral', 8000);
    for (const file of await readdir(folder)) {
      if (!files.some((start) => file.startsWith(start))) continue;
      await (content === null ? rm(join(folder, file)) : writeFile(join(folder, file), content));
    }
    const before = device.memory.liveBuffers;
    await expect(loadHuggingFace(device, folder)).rejects.toThrow(Problem);
    await expect(loadHuggingFace(device, folder)).rejects.toThrow(message);
    expect(device.memory.liveBuffers).toBe(before);
  });

  it('may begin with a byte order mark, as some editors write it', async () => {
    const weights = await saved('mixtral');
    const path = join(folder, 'config.json');
    await writeFile(path, `\uFEFF${await readFile(path, 'utf8')}`);
    expect((await loaded()).weights).toEqual(weights);
  });

  it('may have weights beside the model, which are passed over with a word', async () => {
    const weights = await saved('deepseek_v3');
    const own = decodeSafetensors(await readFile(join(folder, 'model.safetensors')));
    const one = { shape: [2], data: Float32Array.of(1, 2) };
    const further = ['eh_proj', 'enorm', 'mlp.experts.0.up_proj', 'shared_head.head'].map(
      (name) => [`model.layers.3.${name}.weight`, one] as const,
    );
    const inverse = ['model.layers.0.self_attn.rotary_emb.inv_freq', 'model.rotary_emb.inv_freq'] as const;
    const beside = [...further, ...inverse.map((name) => [name, one] as const)];
    await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(new Map([...own, ...beside] as never)));
    const notes: string[] = [];
    const decoder = await loadHuggingFace(device, folder, { onNote: (sentence) => notes.push(sentence) });
    expect(await exportWeights(decoder)).toEqual(weights);
    decoder.dispose();
    expect(notes.toSorted()).toEqual([
      expect.stringMatching(/^2 weights are passed over, such as model\S*inv_freq: rotary frequencies/),
      expect.stringMatching(/^4 weights are passed over, such as model\.layers\.3\.\S*: a layer that predicts/),
    ]);
    // A layer that is no such one is of another model.
    const another = [...own, ['model.layers.3.mlp.up_proj.weight', one]];
    await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(new Map(another as never)));
    await expect(loadHuggingFace(device, folder)).rejects.toThrow('model.layers.3.mlp.up_proj.weight is unknown');
  });

  it('may hold double numbers, which are rounded with a word', async () => {
    const weights = await saved('mixtral');
    const tensors = Array.from(weights, ([name, { shape, data }]) => ({ name, shape, data, dtype: 'F64' as const }));
    const bytes = tensors.map(({ data }) => new Uint8Array(Float64Array.from(data, (x) => x * (1 + 1e-12)).buffer));
    await writeFile(join(folder, 'model.safetensors'), Buffer.concat([encodeHeader(tensors, {}), ...bytes]));
    const notes: string[] = [];
    const decoder = await loadHuggingFace(device, folder, { onNote: (sentence) => notes.push(sentence) });
    expect(await exportWeights(decoder)).toEqual(weights);
    decoder.dispose();
    expect(notes).toEqual([expect.stringMatching(/^\d+ weights of float64 are read as float32, such as model\./)]);
  });

  it('may hold numbers that are not finite, which is said', async () => {
    const weights = await saved('mixtral');
    weights.get('lm_head.weight')!.data[3] = NaN;
    weights.get('model.norm.weight')!.data[0] = -Infinity;
    await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(weights));
    const notes: string[] = [];
    const decoder = await loadHuggingFace(device, folder, { onNote: (sentence) => notes.push(sentence) });
    decoder.dispose();
    expect(notes).toEqual(['2 weights hold numbers that are not finite in float32, such as model.norm.weight']);
  });

  it.each([true, false])('of Mixtral may have the names of transformers 5, stacked %s', async (isStacked) => {
    const weights = await saved('mixtral');
    const decoder = await loadHuggingFace(device, folder);
    const stacked = await Promise.all(
      decoder.layout.map(async ({ name, shape }) => {
        const data = await tensorOf(decoder, name).dataF32();
        return [name, { shape, data }] as const;
      }),
    );
    decoder.dispose();
    const named = (isStacked ? stacked : Array.from(weights)).map(
      ([name, weight]) => [name.replace('block_sparse_moe', 'mlp'), weight] as const,
    );
    await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(new Map(named)));
    const { weights: read } = await loaded();
    expect([...read.keys()]).toEqual([...weights.keys()]);
    if (!isStacked) expect(read).toEqual(weights);
  });

  it.each([
    ['another expert', [0, 6]],
    ['half an expert', [0, 0.5]],
    ['one expert twice', [3, 3]],
    ['no number', [0, NaN]],
    ['one below the first', [-1, 2]],
  ])('whose table of a hash names %s is refused', async (_, row) => {
    const config = familyConfig('mixtral', { router_type: 'hash' });
    const decoder = createDecoder(device, config, { seed: 0 });
    await saveHuggingFace(decoder, folder);
    const tensors = await exportWeights(decoder);
    decoder.dispose();
    const name = [...tensors.keys()].find((key) => key.endsWith('gate.table'))!;
    await loaded();
    tensors.get(name)!.data.set(row, 2 * 5);
    await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(tensors));
    await expect(loaded()).rejects.toThrow(
      `${name} must name different experts in each row, whole numbers from 0 to 5; got ${row.join(', ')} in row 5`,
    );
  });

  it('with an index that disagrees with its files is refused', async () => {
    await saved('mixtral', 8000);
    const path = join(folder, INDEX);
    const text = await readFile(path, 'utf8');
    const index = JSON.parse(text);
    const [first, second] = [...new Set(Object.values(index.weight_map))];
    index.weight_map['lm_head.bias'] = first;
    await writeFile(path, JSON.stringify(index));
    await expect(loadHuggingFace(device, folder)).rejects.toThrow(
      `places lm_head.bias in ${String(first)}, which does not hold it`,
    );
    index.weight_map['model.embed_tokens.weight'] = second;
    await writeFile(path, JSON.stringify(index));
    await expect(loadHuggingFace(device, folder)).rejects.toThrow(
      `holds model.embed_tokens.weight, which ${INDEX} places in ${String(second)}`,
    );
  });

  it('whose weights are those of another config is refused with all names', async () => {
    const weights = await saved('mixtral');
    await writeFile(
      join(folder, 'model.safetensors'),
      encodeSafetensors(new Map([...weights].filter(([name]) => name !== 'lm_head.weight'))),
    );
    await expect(loaded()).rejects.toThrow(WeightsError);
    await expect(loaded()).rejects.toThrow('(1 names):\nlm_head.weight is missing');
  });

  it('takes no memory for what a file only claims to hold', async () => {
    await saved('mixtral');
    const file = join(folder, 'model.safetensors');
    const header = JSON.stringify({ a: { dtype: 'F32', shape: [2 ** 40], data_offsets: [0, 2 ** 42] } });
    const bytes = Buffer.alloc(8 + header.length);
    bytes.writeBigUInt64LE(BigInt(header.length));
    bytes.write(header, 8);
    await writeFile(file, bytes);
    expect((await stat(file)).size).toBeLessThan(100);
    await expect(loaded()).rejects.toThrow(
      `${file}: safetensors: tensors fill ${2 ** 42} bytes, the file holds 0; it may be cut`,
    );
    bytes.writeBigUInt64LE(2n ** 26n);
    await writeFile(file, bytes);
    await expect(loaded()).rejects.toThrow('the header is said to have 67108864 bytes');
  });
});

/** The same file with every tensor in bfloat16, cut, not rounded. */
function halved(file: Uint8Array): Uint8Array {
  const tensors = [...decodeSafetensors(file)];
  let offset = 0;
  const header = Object.fromEntries(
    tensors.map(([name, { shape, data }]) => {
      const begin = offset;
      offset += 2 * data.length;
      return [name, { dtype: 'BF16', shape, data_offsets: [begin, offset] }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const data = tensors.map(([, { data: values }]) => {
    const words = new Uint32Array((values as Float32Array).slice().buffer);
    return Buffer.from(Uint16Array.from(words, (word) => word >>> 16).buffer);
  });
  return Buffer.concat([length, json, ...data]);
}
