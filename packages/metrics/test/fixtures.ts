/** Reads the expected values of the independent PyTorch implementation, where they are at hand. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const folder = process.env['LPR_FIXTURES'] ?? resolve(import.meta.dirname, '../../../../shared/fixtures/torch');

/** Whether the fixtures are there; says so once where they are not, since the tests that need them are then skipped. */
export const haveFixtures: boolean = existsSync(join(folder, 'metrics-load-vectors.json'));
if (!haveFixtures) console.warn(`no PyTorch fixtures in ${folder} (set LPR_FIXTURES): parity tests are skipped`);

export interface FixtureTensor {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** The parsed `name.json`; the caller says what it holds. */
export function fixtureJson(name: string): unknown {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
}

/** All tensors of `name.safetensors`; float32 and int64 only. */
export function fixtureTensors(name: string): Map<string, FixtureTensor> {
  const file = readFileSync(join(folder, `${name}.safetensors`));
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, FixtureTensor>();
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') continue;
    const [begin, end] = entry.data_offsets;
    const bytes = new Uint8Array(file.subarray(8 + headerLength + begin, 8 + headerLength + end)).buffer;
    const values =
      entry.dtype === 'I64' ? Array.from(new BigInt64Array(bytes), Number) : Array.from(new Float32Array(bytes));
    tensors.set(key, { shape: entry.shape, values });
  }
  return tensors;
}
