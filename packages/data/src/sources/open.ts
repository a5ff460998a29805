/**
 * From what a configuration says to sources that can be read. Node only.
 */

import * as z from 'zod';
import { loadStateOfTheUnion } from './sotu.ts';
import { documentSource, type Source } from './source.ts';
import { type SourceSpec, sourceSpecSchema } from './spec.ts';
import { openText } from './text.ts';

/**
 * Checks a spec and finds its files; reads none of their text yet.
 *
 * @throws RangeError saying which field is wrong; Error when files are missing
 */
export async function openSource(spec: SourceSpec): Promise<Source> {
  const checked = sourceSpecSchema.safeParse(spec);
  if (!checked.success) {
    throw new RangeError(`source ${JSON.stringify(spec)}:\n${z.prettifyError(checked.error)}`);
  }
  switch (spec.type) {
    case 'state-of-the-union':
      return documentSource(loadStateOfTheUnion(), spec);
    case 'text':
      return openText(spec);
    default:
      throw new RangeError(`sources of type ${spec.type} cannot be opened yet`);
  }
}
