import { latentPrototypePresets } from '@lpr/moe';
import { describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { PRESETS } from '../src/presets.ts';
import { checkSettings, isMethod, resolveSettings, ROUTERS, type SettingOptions } from '../src/settings.ts';

const options: SettingOptions = {
  preset: 'tiny',
  arch: 'qwen3-moe',
  router: 'lpr',
  seed: 5,
  device: 'wasm',
  set: [],
};

describe('resolveSettings', () => {
  it('takes every preset with every router, and comes back from YAML as it was', () => {
    for (const preset of Object.keys(PRESETS)) {
      for (const router of ROUTERS) {
        const settings = resolveSettings({ ...options, preset, router });
        expect(checkSettings(parse(stringify(settings)), 'config.yaml')).toEqual(settings);
        const groups = ['balancing', 'lpr', 'method'].filter((group) => group in settings);
        expect(groups).toEqual([isMethod(router) ? 'method' : router === 'top-k' ? 'balancing' : 'lpr']);
      }
    }
  });

  it('writes down every switch of the formulation that a router stands for', () => {
    expect(resolveSettings(options).lpr).toEqual(latentPrototypePresets.corrected);
    expect(resolveSettings({ ...options, router: 'lpr-official' }).lpr).toEqual(latentPrototypePresets.official);
  });

  it('gives a hash table a row for every token', () => {
    const { method, size } = resolveSettings({ ...options, router: 'hash' });
    expect(method).toEqual({ vocabulary: size.vocabulary });
  });

  it('puts options and --set over the preset, and leaves the preset alone', () => {
    const set = ['size.experts=16', 'training.learningRate=5e-3', 'lpr.temperature=2.5', 'data.corpus=[a.txt, b.txt]'];
    const settings = resolveSettings({ ...options, steps: 7, threads: 1, set });
    expect(settings.training.steps).toBe(7);
    expect(settings.threads).toBe(1);
    expect(settings.size.experts).toBe(16);
    expect(settings.training.learningRate).toBe(0.005);
    expect(settings.lpr?.temperature).toBe(2.5);
    expect(settings.data.corpus).toEqual(['a.txt', 'b.txt']);
    expect(resolveSettings(options).size.experts).toBe(PRESETS.tiny.size.experts);
    // The same command line serves the other run of a comparison.
    expect(resolveSettings({ ...options, router: 'top-k', set }).lpr).toBeUndefined();
  });

  it.each([
    [{ preset: 'tinny' }, 'unknown preset "tinny". Did you mean tiny?'],
    [{ router: 'topk' }, 'unknown router "topk". Did you mean top-k?'],
    [{ arch: 'mistral' }, 'unknown architecture "mistral". Did you mean mixtral?'],
    [{ device: 'cuda' }, 'unknown device "cuda". Known: wasm'],
    [{ set: ['size.expert=3'] }, 'unknown setting "size.expert". Did you mean size.experts?'],
    [{ set: ['sized.experts=3'] }, 'unknown setting "sized". Did you mean size?'],
    [{ set: ['size=3'] }, 'size is a group; name one of vocabulary, hidden'],
    [{ set: ['seed.a=3'] }, 'seed is no group'],
    [{ set: ['size.experts'] }, 'expected path=value'],
    [{ set: ['size.topK=0'] }, 'size.topK'],
    [{ set: ['size.topK=9'] }, 'size.topK is 9, but there are only 8 experts'],
    [{ set: ['size.experts=many'] }, 'size.experts'],
    [{ set: ['size.keyValueHeads=4'] }, 'must be a multiple of size.keyValueHeads'],
    [{ set: ['size.headDim=15'] }, 'even number'],
    [{ set: ['lpr.temperature=0'] }, 'temperature must be above 0'],
    [{ set: ['lpr.alignment=official2'] }, 'alignment must be one of'],
    [{ set: ['training.warmup=0.9'] }, 'together at most 1'],
  ])('refuses %o', (change, message) => {
    expect(() => resolveSettings({ ...options, ...change })).toThrow(message);
  });
});
