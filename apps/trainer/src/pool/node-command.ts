/** How a file of this program is run by Node, compiled or not. */
import { extname, join } from 'node:path';

/**
 * Parameters of Node, and the file.
 *
 * @param name from `src/`, without its extension, such as `main`
 */
export function nodeCommand(name: string): { readonly execArgv: readonly string[]; readonly file: string } {
  const extension = extname(import.meta.filename);
  // Whatever compiles this process's TypeScript may have been put in from within.
  const compiler = extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  return { execArgv: [...process.execArgv, ...compiler], file: join(import.meta.dirname, '..', `${name}${extension}`) };
}
