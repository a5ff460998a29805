import { describe, expect, it } from 'vitest';
import { readBandwidth, readFlops, readLoads, readTime } from '../src/cli/quantities.ts';
import { planText } from '../src/commands/plan.ts';
import { decoderConfig } from '../src/settings/decoder-config.ts';
import { resolveSettings } from '../src/settings/resolve.ts';

describe('quantities with units', () => {
  it('are read', () => {
    expect(['200Gb', '25GB', '1.5 GB/s', '10Gbps', '800b'].map(readBandwidth)).toEqual([
      25e9, 25e9, 1.5e9, 1.25e9, 100,
    ]);
    expect(['5us', '0.1ms', '2s', '0s'].map(readTime)).toEqual([5 * 1e-6, 0.1 * 1e-3, 2, 0]);
    expect(['35G', '90T', '3.5e10', '7'].map(readFlops)).toEqual([35e9, 90e12, 3.5e10, 7]);
    expect(readLoads('1,1.5')).toEqual([1, 1.5]);
  });

  it('are refused with what is expected', () => {
    for (const text of ['fast', '200', '-1Gb', '0Gb', 'Gb', '1.2.3Gb'])
      expect(() => readBandwidth(text)).toThrow('such as 200Gb or 25GB');
    for (const text of ['5', 'us', '-1us', '1h']) expect(() => readTime(text)).toThrow('such as 5us');
    for (const text of ['', '0', 'many', '1e400']) expect(() => readFlops(text)).toThrow('such as 35G or 90T');
    for (const text of ['', '0.5', '1,', 'a']) expect(() => readLoads(text)).toThrow('such as 1,1.5,2');
  });
});

describe('a plan', () => {
  const settings = resolveSettings({
    preset: 'quick',
    config: [],
    set: ['size.experts=64', 'training.accumulation=32'],
  });
  const config = decoderConfig(settings, settings.size.vocabulary);
  const options = { ...{ config: [], set: [], network: 25e9, latency: 5e-6, loads: [], run: [] } };
  const balances = [{ name: 'own each', loadOf: (ranks: number) => (ranks === 8 ? null : 1.5) }];

  it('lists the memory of a rank, and the time of a step for all numbers of ranks', () => {
    const lines = planText(settings, config, { ...options, ranks: 24 }, balances);
    expect(lines[0]).toBe('24 ranks train lpr with 64 experts; a step of each is 2 batches of 16 x 128 tokens');
    const memory = lines.filter((line) => /^(weights|all other|moments|gradients|activations|together)/.test(line));
    expect(memory).toHaveLength(6);
    for (const line of memory) expect(line).toMatch(/ \d+\.\d{3} +\d+\.\d{3}$/);
    const ranks = lines.flatMap((line) => /^(\d+) +(all each|own each)/.exec(line)?.slice(1) ?? []);
    expect(ranks.filter((_, i) => i % 2 === 0)).toEqual(
      [1, 2, 2, 4, 4, 8, 16, 16, 24, 24, 32, 32, 64, 64, 128, 256, 512, 1024].map(String),
    );
    expect(lines.join('\n')).not.toContain('Of more ranks');
  });

  it('moves less for moments in 16 bits', () => {
    const memoryOf = (moments: string): number => {
      const set = ['size.experts=64', `training.moments=${moments}`];
      const packed = resolveSettings({ preset: 'quick', config: [], set });
      const lines = planText(packed, config, { ...options, ranks: 1 }, balances);
      return Number(lines.find((line) => /^1 +all each/.test(line))!.split(/ +/)[6]);
    };
    expect(memoryOf('bfloat16') / memoryOf('float32')).toBeCloseTo(20 / 28, 1);
  });

  it('says that some of more ranks than experts own none', () => {
    const lines = planText(settings, config, { ...options, ranks: 128 }, balances);
    expect(lines.at(-1)).toBe('Of more ranks than the 64 experts some own none; they are left out here.');
    expect(lines.find((line) => line.startsWith('together'))).toMatch(/^together +\d+\.\d{3}$/);
  });
});
