/** Bundles the page into the package: `dist/page`. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundlePage, bundleReportScript, REPORT_SCRIPT } from '../src/server/page-files.ts';

const folder = fileURLToPath(new URL('../dist/page/', import.meta.url));
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
for (const [name, content] of await bundlePage()) await writeFile(join(folder, name), content);
await writeFile(join(folder, REPORT_SCRIPT), await bundleReportScript());
