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
    for (const group of [schema, ...Object.values(schema.properties)]) expect(group).not.toHaveProperty('required');
  });
});
