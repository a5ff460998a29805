import { countParameters } from '@lpr/model';
import { describe, expect, it } from 'vitest';
import { decoderConfig } from '../src/settings/decoder-config.ts';
import { checkFits, predictionText, predictRun } from '../src/run/prediction.ts';
import { configJsonSchema } from '../src/settings/json-schema.ts';
import { resolveSettings } from '../src/settings/resolve.ts';

function settingsOf(preset: string) {
  return resolveSettings({ preset, config: [], set: [] });
}

describe('the paper presets', () => {
  it.each([
    // What the released 0.6B configs have: all numbers, and millions without embeddings, of all and of those that a
    // token passes.
    ['paper/qwen3-moe', 645_413_376, 334.25, 51.13],
    ['paper/qwen3-moe-lpr', 644_965_824, 333.8, 50.69],
    ['paper/mixtral', 629_683_200, 318.52, 35.4],
    ['paper/mixtral-lpr', 629_235_648, 318.07, 34.96],
    ['paper/deepseek-v3', 621_351_936, 310.19, 66.88],
    ['paper/deepseek-v3-lpr', 620_904_384, 309.74, 66.44],
  ])('%s has the released size', (preset, total, withoutEmbeddings, active) => {
    const settings = settingsOf(preset);
    const counts = countParameters(decoderConfig(settings, settings.size.vocabulary));
    // The released code's moving averages are parameters there; DeepSeek's selection bias is none.
    const averages = preset.endsWith('lpr') ? counts.buffers : 0;
    expect(counts.total + averages).toBe(total);
    expect((counts.totalWithoutEmbeddings + averages) / 1e6).toBeCloseTo(withoutEmbeddings, 2);
    expect((counts.activeWithoutEmbeddings + averages) / 1e6).toBeCloseTo(active, 2);
  });

  it.each(['qwen3-moe', 'mixtral', 'deepseek-v3'] as const)(
    'of 0.1B are those of 0.6B at a quarter of the width: %s',
    (architecture) => {
      for (const router of ['', '-lpr']) {
        const [small, large] = [`paper-0.1b/${architecture}${router}`, `paper/${architecture}${router}`].map(
          (preset) => {
            const { size, training, data, router: own, lpr } = settingsOf(preset);
            return { size, training, data, own, lpr };
          },
        );
        const { total, totalWithoutEmbeddings } = countParameters(
          decoderConfig(settingsOf(`paper-0.1b/${architecture}${router}`), small!.size.vocabulary),
        );
        expect(total / 1e6).toBeGreaterThan(97);
        expect(total / 1e6).toBeLessThan(100);
        // Embedding and head.
        expect(total - totalWithoutEmbeddings).toBe(2 * 151_936 * 256);
        expect(small!.size).toMatchObject({ layers: 6, experts: 128, topK: 8, headDim: large!.size.headDim });
        for (const field of ['hidden', 'heads', 'keyValueHeads'] as const) {
          expect(4 * small!.size[field], field).toBe(large!.size[field]);
        }
        expect(Math.round(4 * small!.size.expertWidth) - large!.size.expertWidth).toBeLessThan(4);
        expect([small!.own, small!.lpr]).toEqual([large!.own, large!.lpr]);
        expect({ ...small!.training, steps: 4_000 }).toEqual(large!.training);
        expect(small!.data.batchSize).toBe(large!.data.batchSize);
      }
      expect(predictRun(settingsOf(`paper-0.1b/${architecture}`)).tokens / 1e8).toBeCloseTo(1, 2);
    },
  );

  it('of 0.1B count what a naive sum over their matrices gives', () => {
    const settings = settingsOf('paper-0.1b/qwen3-moe');
    const [vocabulary, hidden, layers, experts] = [151_936, 256, 6, 128];
    const attention = hidden * 4 * 128 + 2 * hidden * 128 + 4 * 128 * hidden + 2 * 128;
    const layer = attention + experts * hidden + experts * 3 * hidden * 32 + 2 * hidden;
    const counts = countParameters(decoderConfig(settings, settings.size.vocabulary));
    expect(counts.total).toBe(2 * vocabulary * hidden + layers * layer + hidden);
  });

  it.each(['paper/qwen3-moe', 'paper/mixtral-lpr'])('%s trains on 4,000 steps of 270 sequences', (preset) => {
    expect(predictRun(settingsOf(preset)).tokens).toBe(4_000 * 270 * 1024);
  });

  it('cannot run on the CPU, and say so with memory and time', () => {
    expect(() => checkFits(settingsOf('paper/qwen3-moe'))).toThrow(
      /a training step would take \d+\.\d\d GiB \(parameters 2\.40 GiB, .*WebAssembly addresses 4\.00 GiB.*645M parameters .*roughly \d+/,
    );
    expect(() => checkFits({ ...settingsOf('paper/qwen3-moe'), device: 'gpu' })).not.toThrow();
  });
});

describe('predictRun', () => {
  it('tells what a run takes', () => {
    const settings = settingsOf('medium');
    const prediction = predictRun(settings);
    expect(prediction.parameters / 1e6).toBeCloseTo(43, 0);
    expect(prediction.tokens).toBe(10_000 * 4 * 256);
    checkFits(settings);
    const slower = predictRun({ ...settings, threads: 1 }).seconds! / predictRun({ ...settings, threads: 4 }).seconds!;
    expect(slower).toBeCloseTo(4);
    expect(predictRun({ ...settings, device: 'gpu' }).seconds).toBeNull();
    expect(predictionText(predictRun({ ...settings, device: 'gpu' }))).toMatch(
      /^43M parameters \([\d.]+M active\), [\d.]+ GiB on the device, 10\.2M tokens, [\d.e+]+ TFLOP$/,
    );
  });
});

describe('the JSON schema', () => {
  it('names every setting, requires none, and allows no other', () => {
    const schema = configJsonSchema() as {
      properties: Record<string, { properties?: Record<string, { enum?: string[] }>; additionalProperties?: boolean }>;
      required?: string[];
      additionalProperties: boolean;
    };
    const settings = settingsOf('tiny');
    for (const [group, value] of Object.entries(settings)) {
      expect(schema.properties).toHaveProperty([group]);
      if (group === 'model' || typeof value !== 'object' || value === null) continue;
      const { properties, additionalProperties } = schema.properties[group]!;
      for (const field of Object.keys(value as object)) expect(properties).toHaveProperty([field]);
      expect(additionalProperties).toBe(false);
    }
    expect(schema.additionalProperties).toBe(false);
    expect(schema.properties['preset']).toMatchObject({ enum: expect.arrayContaining(['tiny', 'paper/mixtral']) });
    expect(schema.properties['lpr']?.properties?.['measure']?.enum).toContain('hellinger');
    expect(schema.properties['data']?.properties?.['batchSize']).toMatchObject({
      anyOf: [{ type: 'integer', minimum: 1 }, { const: 'auto' }],
    });
    for (const group of [schema, ...Object.values(schema.properties)]) expect(group).not.toHaveProperty('required');
  });
});
