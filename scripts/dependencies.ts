/**
 * What the workspace has installed: `pnpm dependencies` lists licences and install scripts, and ends with 1 where one
 * is not among those that were decided on.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';

/** Licences that ask for nothing but their text and a name, of the package or of changed files alone (MPL-2.0). */
export const LICENCES: ReadonlySet<string> = new Set([
  ...['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'CC-BY-4.0', 'CC0-1.0', 'ISC', 'MIT'],
  ...['MIT OR Apache-2.0', 'MPL-2.0', 'Python-2.0', 'Unlicense'],
  // Code under the one, the letters of pictures under the other: they may go into a document of any kind.
  'MIT AND OFL-1.1',
]);

/** What npm runs when it installs a package. */
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'] as const;

export interface Dependency {
  readonly name: string;
  readonly version: string;
  /** As its package.json says it; empty where that says nothing. */
  readonly licence: string;
  /** What it would run when it is installed, were it allowed to. */
  readonly installScripts: readonly string[];
}

/** Every package that is installed, of all platforms alike, sorted by name. */
export function installedDependencies(root: string): Dependency[] {
  const store = join(root, 'node_modules/.pnpm');
  const manifests = new Map<string, Dependency>();
  for (const entry of readdirSync(store)) {
    const modules = join(store, entry, 'node_modules');
    if (!existsSync(modules)) continue;
    for (const folder of packageFolders(modules)) {
      const path = join(folder, 'package.json');
      if (!existsSync(path)) continue;
      const found = dependencyOf(JSON.parse(readFileSync(path, 'utf8')) as Manifest);
      manifests.set(`${found.name}@${found.version}`, found);
    }
  }
  return [...manifests.values()].toSorted((a, b) => a.name.localeCompare(b.name, 'en'));
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license?: string | { readonly type?: string };
  readonly scripts?: Readonly<Record<string, string>>;
}

function dependencyOf({ name, version, license = '', scripts = {} }: Manifest): Dependency {
  const installScripts = INSTALL_SCRIPTS.flatMap((key) =>
    scripts[key] === undefined ? [] : `${key}: ${scripts[key]}`,
  );
  return { name, version, licence: typeof license === 'string' ? license : (license.type ?? ''), installScripts };
}

/** Folders of packages themselves: what they need lies beside them as links. */
function packageFolders(modules: string): string[] {
  return readdirSync(modules, { withFileTypes: true }).flatMap((entry) => {
    const path = join(modules, entry.name);
    if (!entry.isDirectory()) return [];
    return entry.name.startsWith('@') ? packageFolders(path) : [path];
  });
}

/** Whether install scripts are run, by the names of packages, as pnpm-workspace.yaml decides. */
export function decidedScripts(root: string): Readonly<Record<string, boolean>> {
  const { allowBuilds } = parse(readFileSync(join(root, 'pnpm-workspace.yaml'), 'utf8')) as {
    readonly allowBuilds: Readonly<Record<string, boolean>>;
  };
  return allowBuilds;
}

/** A sentence for each licence that nobody looked at and each install script that nobody decided on. */
export function undecided(
  dependencies: readonly Dependency[],
  decided: Readonly<Record<string, boolean>>,
): readonly string[] {
  return dependencies.flatMap(({ name, version, licence, installScripts }) => [
    ...(LICENCES.has(licence)
      ? []
      : [
          `${name}@${version}: licence ${licence || '(none)'}; look at it, then add it to LICENCES in scripts/dependencies.ts`,
        ]),
    ...(installScripts.length === 0 || name in decided
      ? []
      : [`${name}@${version} runs ${installScripts.join('; ')}; decide under allowBuilds in pnpm-workspace.yaml`]),
  ]);
}

function report(root: string): void {
  const dependencies = installedDependencies(root);
  const decided = decidedScripts(root);
  const byLicence = new Map<string, string[]>();
  for (const { name, licence } of dependencies) byLicence.set(licence, [...(byLicence.get(licence) ?? []), name]);
  console.log(`${dependencies.length} packages, with pnpm-lock.yaml as the only source of their versions\n\nLicences`);
  for (const [licence, names] of [...byLicence].toSorted(([, a], [, b]) => b.length - a.length)) {
    console.log(`  ${licence}: ${names.length}${names.length > 20 ? '' : ` (${[...new Set(names)].join(', ')})`}`);
  }
  console.log('\nInstall scripts');
  for (const { name, installScripts } of dependencies.filter((each) => each.installScripts.length > 0)) {
    console.log(`  ${name}: ${decided[name] === true ? 'run' : 'not run'} (${installScripts.join('; ')})`);
  }
  const open = undecided(dependencies, decided);
  for (const sentence of open) console.error(`error: ${sentence}`);
  if (open.length > 0) process.exitCode = 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) report(resolve(import.meta.dirname, '..'));
