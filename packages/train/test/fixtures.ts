/** Reads the expected values of the independent PyTorch implementation, where they are at hand. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const folder = process.env['LPR_FIXTURES'] ?? resolve(import.meta.dirname, '../../../../shared/fixtures/torch');

/** Whether the fixtures are there; says so once where they are not, since the tests that need them are then skipped. */
export const haveFixtures: boolean = existsSync(join(folder, 'adamw-steps.json'));
if (!haveFixtures) console.warn(`no PyTorch fixtures in ${folder} (set LPR_FIXTURES): parity tests are skipped`);

/** The parsed `name.json`; the caller says what it holds. */
export function fixtureJson(name: string): unknown {
  return JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));
}

export interface FixtureTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** The float32 tensors of `name.safetensors`. */
export function fixtureTensors(name: string): Map<string, FixtureTensor> {
  const file = readFileSync(join(folder, `${name}.safetensors`));
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    { dtype?: string; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([, { dtype }]) => dtype === 'F32')
      .map(
        ([
          key,
          {
            shape,
            data_offsets: [begin, end],
          },
        ]) => [
          key,
          { shape, data: new Float32Array(new Uint8Array(file.subarray(start + begin, start + end)).buffer) },
        ],
      ),
  );
}
