import { parseDecoderConfig, planDecoder } from '@lpr/model';
import { configJson } from '@lpr/model/node';
import { latentPrototypePresets } from '@lpr/moe';
import { describe, expect, it } from 'vitest';
import { counterpartOf, PRESETS } from '../src/settings/decisions.ts';
import { decoderConfig } from '../src/settings/decoder-config.ts';
import { resolveSettings } from '../src/settings/resolve.ts';
import { FORMULATIONS, ROUTERS } from '../src/settings/routers.ts';
import { ARCHITECTURES, type Settings } from '../src/settings/schema.ts';

function settingsOf(preset: string, router?: string, arch?: string): Settings {
  return resolveSettings({
    preset,
    config: [],
    set: [],
    ...(router === undefined ? {} : { router }),
    ...(arch === undefined ? {} : { arch }),
  });
}

/** What a run adds to the loss besides cross entropy. */
function regularisersOf({ lpr, balancing, training }: Settings): readonly unknown[] {
  const weights = lpr === undefined ? [balancing?.auxiliaryLoss] : [lpr.strength, lpr.alignmentWeight];
  return [...weights, training.accumulation, training.accumulatedTerms];
}

describe('a preset with a router', () => {
  it.each([
    ['paper/qwen3-moe', undefined, [0.001, 18, 'sum']],
    ['paper/qwen3-moe-lpr', undefined, [0.01, 0.1, 27, 'sum']],
    ['paper/mixtral', undefined, [0.001, 27, 'sum']],
    ['paper/mixtral-lpr', undefined, [0.01, 0.05, 27, 'sum']],
    ['paper/deepseek-v3', undefined, [0, 18, 'sum']],
    ['paper/deepseek-v3-lpr', undefined, [0.01, 0.05, 18, 'sum']],
    // Whichever of an architecture's two presets.
    ['paper/mixtral', 'lpr-official', [0.01, 0.05, 27, 'sum']],
    ['paper/mixtral-lpr', 'top-k', [0.001, 27, 'sum']],
    // Nothing of the released code goes with another formulation, or another method.
    ['paper/mixtral-lpr', 'lpr', [0.2, 0.1, 27, 'mean']],
    ['paper/mixtral-lpr', 'lpr-paper', [0.01, 0.1, 27, 'mean']],
    ['paper/mixtral', 'lpr', [0.2, 0.1, 27, 'mean']],
    ['paper/mixtral-lpr', 'sinkhorn', [undefined, 27, 'mean']],
    ['tiny', 'lpr-official', [0.01, 0.1, 1, 'mean']],
    ['quick', undefined, [0.2, 0.1, 1, 'mean']],
  ])('%s, %s: weights, accumulation and how terms are accumulated', (preset, router, expected) => {
    expect(regularisersOf(settingsOf(preset, router))).toEqual(expected);
  });

  it('has every switch of the formulation, but for what the released configs have of their own', () => {
    for (const preset of Object.keys(PRESETS).filter((name) => !name.includes('deepseek'))) {
      for (const router of ['lpr', 'lpr-paper'] as const) {
        expect(settingsOf(preset, router).lpr).toEqual(latentPrototypePresets[FORMULATIONS[router]!]);
      }
      const { lpr } = settingsOf(preset, 'lpr-official');
      expect({ ...lpr, alignmentWeight: 0.1 }).toEqual(latentPrototypePresets.official);
    }
  });

  it('hands the groups of DeepSeek-V3 on to LPR in our formulations', () => {
    const groups = { groups: 8, keptGroups: 6, weightScale: 2.5 };
    expect(settingsOf('paper/deepseek-v3', 'lpr').lpr).toEqual({ ...latentPrototypePresets.corrected, ...groups });
    expect(settingsOf('paper/deepseek-v3', 'lpr-tokens').lpr).toMatchObject({ ...groups, vocabulary: 151_936 });
    expect(settingsOf('paper/deepseek-v3', 'lpr').model).toMatchObject({ n_group: 8, topk_group: 6 });
    expect(settingsOf('paper/deepseek-v3-lpr').lpr).toMatchObject({ groups: 1, keptGroups: 1, weightScale: 1 });
    // What is asked for goes over the preset, by whichever name.
    const set = ['lpr.groups=4', 'lpr.keptGroups=2'];
    const { lpr, model } = resolveSettings({ preset: 'paper/deepseek-v3', router: 'lpr', config: [], set });
    expect(lpr).toMatchObject({ groups: 4, keptGroups: 2, weightScale: 2.5 });
    expect(model).not.toHaveProperty('n_group');
    expect(model).toHaveProperty('routed_scaling_factor', 2.5);
  });

  it('sets keys of config.json for its own architecture, where its router reads them', () => {
    expect(settingsOf('paper/qwen3-moe').model).toEqual({ norm_topk_prob: false });
    expect(settingsOf('paper/qwen3-moe-lpr').model).toEqual({});
    expect(settingsOf('paper/qwen3-moe', 'top-k', 'mixtral').model).toEqual({});
    expect(Object.keys(settingsOf('paper/deepseek-v3-lpr').model)).toEqual([
      ...['q_lora_rank', 'kv_lora_rank', 'qk_nope_head_dim', 'qk_rope_head_dim', 'v_head_dim', 'n_shared_experts'],
    ]);
  });

  it.each(['paper', 'paper-0.1b'])('of %s has a counterpart for every architecture and router', (group) => {
    const counterparts = ARCHITECTURES.flatMap((architecture) =>
      (['top-k', 'lpr'] as const).map((router) => [architecture, router] as const),
    ).map(([architecture, router]) => {
      const name = counterpartOf(`${group}/mixtral`, architecture, router);
      expect(PRESETS[name]).toMatchObject({ architecture, router: router === 'lpr' ? 'lpr-official' : 'top-k' });
      return name;
    });
    expect(counterparts.toSorted()).toEqual(
      Object.keys(PRESETS)
        .filter((name) => name.startsWith(`${group}/`))
        .toSorted(),
    );
    expect(counterpartOf('tiny', 'mixtral', 'lpr')).toBe('tiny');
  });
});

describe('config.json of a run', () => {
  it.each(ARCHITECTURES)('names the formulation and gives the same router when it is read back: %s', (arch) => {
    for (const router of ROUTERS) {
      const settings = settingsOf('tiny', router, arch);
      const config = decoderConfig(settings, settings.size.vocabulary);
      const stored: Readonly<Record<string, unknown>> = JSON.parse(configJson(config));
      const formulation = FORMULATIONS[router];
      if (formulation !== undefined) {
        expect(stored).toMatchObject({
          router_type: 'lpr',
          lpr_formulation: formulation,
          lpr_options: {
            ...latentPrototypePresets[formulation],
            vocabulary: formulation === 'tokens' ? settings.size.vocabulary : 0,
          },
        });
      }
      expect(planDecoder(parseDecoderConfig(stored))).toEqual(planDecoder(config));
    }
  });
});
