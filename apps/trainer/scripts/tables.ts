/**
 * `pnpm tables [--check]`: makes the tables in all Markdown files of the repository anew from the results stored in
 * `docs/results`, or, with `--check`, says which differ and changes nothing.
 */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { differenceLines, staleDocuments } from '@lpr/results/node';

const ROOT = resolve(import.meta.dirname, '../../..');

const { values } = parseArgs({
  args: process.argv.slice(2).filter((word) => word !== '--'),
  options: { check: { type: 'boolean', default: false } },
});

const stale = await staleDocuments(ROOT);
for (const document of stale) {
  if (values.check) console.error(differenceLines(document).join('\n'));
  else {
    await writeFile(join(ROOT, document.file), document.document);
    console.log(`${document.file}: ${document.differences.length} tables made anew`);
  }
}
if (values.check && stale.length > 0) {
  console.error('\n`pnpm tables` makes these tables anew from the results in docs/results.');
  process.exitCode = 1;
}
