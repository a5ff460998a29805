/**
 * Makes the API reference of all published packages from their doc comments, as pages in dist/reference. TypeDoc reads
 * TypeScript through the library that the compiler itself no longer has, hence the older compiler beside this file.
 * An export that names what is not exported, a link that leads nowhere, or a function without a comment fails.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { Application } from 'typedoc';

const root = resolve(import.meta.dirname, '../..');

/** Source files of entries, with the names by which they are imported: `@lpr/model/node`. */
async function entries() {
  const folders = await readdir(join(root, 'packages'));
  const found = await Promise.all(
    folders.map(async (folder) => {
      const manifest = JSON.parse(await readFile(join(root, 'packages', folder, 'package.json'), 'utf8'));
      if (manifest.private === true) return [];
      return Object.entries(manifest.exports).map(([entry, { default: file }]) => [
        join(root, 'packages', folder, file),
        manifest.name + entry.slice(1),
      ]);
    }),
  );
  return new Map(found.flat());
}

/** Their functions are a chart or a record of each figure by its name, which the tables of their READMEs explain. */
const DRAWN = new Set(['@lpr/charts', '@lpr/report']);

const names = await entries();
const app = await Application.bootstrap({
  name: 'LPR',
  entryPoints: [...names.keys()],
  tsconfig: join(import.meta.dirname, 'tsconfig.json'),
  out: process.argv[2] ?? join(root, 'dist/reference'),
  readme: 'none',
  basePath: root,
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  // What a field is its name says, and its comment where that does not.
  requiredToBeDocumented: ['Function', 'Class', 'Method'],
  packagesRequiringDocumentation: [...new Set([...names.values()].map((name) => name.split('/', 2).join('/')))].filter(
    (name) => !DRAWN.has(name),
  ),
  treatWarningsAsErrors: true,
});
const project = await app.convert();
if (project === undefined) process.exit(1);
for (const module of project.children ?? []) {
  const file = project.getSymbolIdFromReflection(module)?.fileName;
  const name = names.get(join(root, file ?? '')) ?? names.get(file ?? '');
  if (name !== undefined) module.name = name;
}
app.validate(project);
await app.generateOutputs(project);
console.log(`${names.size} entries in ${relative(process.cwd(), app.options.getValue('out'))}`);
if (app.logger.hasErrors() || app.logger.hasWarnings()) process.exit(1);
