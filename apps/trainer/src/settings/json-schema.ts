/** The JSON schema of configuration files: editors complete and check with it. */
import { z } from 'zod';
import { PRESETS } from './decisions.ts';
import { FITTING_BATCH } from '../run/fitting.ts';
import { sweepSchema } from '../sweep/schema.ts';
import { settingsSchema } from './schema.ts';

interface Node {
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly [keyword: string]: unknown;
}

/** Of files for `--config`: any setting may be left out, and `preset` names what the file goes over. */
export function configJsonSchema(): Node {
  const { $schema, properties, ...rest } = withoutRequired(
    z.toJSONSchema(settingsSchema, { unrepresentable: 'any', io: 'input' }),
  ) as Node;
  // A word in its place, which settings no longer say once the number is found.
  const data = properties!['data'] as Node;
  const { description, ...number } = data.properties!['batchSize'] as Node;
  const batchSize = { description, anyOf: [number, { const: FITTING_BATCH }] };
  const withBatch = { ...data, properties: { ...data.properties, batchSize } };
  const preset = { enum: Object.keys(PRESETS), description: 'Named settings that the file goes over' };
  return {
    $schema,
    title: 'Settings of a training run',
    ...rest,
    properties: { preset, ...properties, data: withBatch },
  };
}

/** Of files for `sweep`. */
export function sweepJsonSchema(): Node {
  const { $schema, properties, ...rest } = z.toJSONSchema(sweepSchema, { unrepresentable: 'any', io: 'input' }) as Node;
  const { $schema: _, title: _title, ...settings } = configJsonSchema();
  return { $schema, title: 'Runs of a sweep', ...rest, properties: { ...properties, settings } };
}

/** Presets give what a file leaves out. Entries of lists stay whole: what they require, they require in a file too. */
function withoutRequired(node: unknown): unknown {
  if (typeof node !== 'object' || node === null) return node;
  const { required: _, properties, ...rest } = node as Node;
  if (properties === undefined) return node;
  return {
    ...rest,
    properties: Object.fromEntries(Object.entries(properties).map(([key, child]) => [key, withoutRequired(child)])),
  };
}
