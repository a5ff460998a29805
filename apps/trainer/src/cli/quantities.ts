/** Quantities with units, as a command line gives them. */
import { InvalidArgumentError } from 'commander';

const PREFIXES: Readonly<Record<string, number>> = { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** Reads a speed of a network in bytes a second: `200Gb` are bits, `25GB` bytes, each a second. */
export function readBandwidth(text: string): number {
  const [, number = '', prefix = '', unit] =
    /^([\d.]+(?:e\d+)?)\s*([kKMGT]?)([bB])(?:it)?(?:\/s|ps)?$/.exec(text) ?? [];
  const value = Number(number) * PREFIXES[prefix]!;
  if (number !== '' && value > 0 && value < Infinity) return unit === 'b' ? value / 8 : value;
  throw new InvalidArgumentError('It must be a speed above 0 in bits or bytes a second, such as 200Gb or 25GB.');
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };

/** Reads a time in seconds: `5us`, `0.1ms`. */
export function readTime(text: string): number {
  const [, number = '', unit = ''] = /^([\d.]+(?:e-?\d+)?)\s*(s|ms|us|ns)$/.exec(text) ?? [];
  const value = Number(number) * (SECONDS[unit] ?? NaN);
  if (number !== '' && value >= 0 && value < Infinity) return value;
  throw new InvalidArgumentError('It must be a time with its unit (s, ms, us, ns), such as 5us.');
}

/** Reads operations a second: `35G`, `90T`, `3.5e10`. */
export function readFlops(text: string): number {
  const [, number = '', prefix = ''] = /^([\d.]+(?:e\d+)?)([kKMGT]?)$/.exec(text) ?? [];
  const value = Number(number) * PREFIXES[prefix]!;
  if (number !== '' && value > 0 && value < Infinity) return value;
  throw new InvalidArgumentError('It must be operations a second above 0, such as 35G or 90T.');
}

/** Reads numbers of at least 1, separated by commas: `1,1.5,2`. */
export function readLoads(text: string): number[] {
  const loads = text.split(',').map(Number);
  if (text.trim() !== '' && loads.every((load) => load >= 1 && load < Infinity)) return loads;
  throw new InvalidArgumentError('It must be numbers of at least 1, separated by commas, such as 1,1.5,2.');
}
