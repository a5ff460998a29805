/** `pnpm dashboard serve`: options, help, and the life of the server. */
import { stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { makeFolder } from '@lpr/guard';
import { hasCode } from '@lpr/runs';

/** Tried in turn where no port was asked for. */
const PORTS = [4310, 4311, 4312, 4313, 0];

interface Options {
  readonly host: string;
  readonly port?: number;
}

export function addServe(program: Command): void {
  program
    .command('serve')
    .summary('follow runs live in a browser')
    .description(
      'Serves a page that lists all runs of a folder, also those inside comparisons, and follows them while the trainer writes.\n' +
        'Only this machine can open it, unless --host says otherwise. Ctrl-C stops it.',
    )
    .argument('[FOLDER]', 'folder that holds run folders (default: runs, made where it is missing)')
    .option('-p, --port <N>', `port (default: ${PORTS[0]}, or the next free one)`, portNumber)
    .option(
      '--host <ADDRESS>',
      'address to listen on; 0.0.0.0 opens the page to the network, without a password',
      '127.0.0.1',
    )
    .addHelpText(
      'after',
      `
Examples:
  pnpm dashboard serve                       all runs in runs
  pnpm dashboard serve runs/compare-1        the runs of one comparison
  pnpm dashboard serve /data/runs -p 8080    another folder, another port
  ssh -L 4310:localhost:4310 HOST            then open http://localhost:4310/ to see runs of another machine`,
    )
    .action(serve);
}

async function serve(named: string | undefined, { host, port }: Options): Promise<void> {
  const folder = named ?? 'runs';
  if (named === undefined) await makeFolder(folder);
  const entry = await stat(folder).catch(() => null);
  if (!entry?.isDirectory()) {
    throw new Error(
      `there is no folder ${folder}: train a model first (pnpm trainer), or name the folder that holds the runs`,
    );
  }
  // Loaded only now, so that help and errors need not wait for it.
  const { serveDashboard } = await import('./server/server.ts');
  for (const candidate of port === undefined ? PORTS : [port]) {
    try {
      const dashboard = await serveDashboard(folder, { host, port: candidate });
      console.log(`${folder} is at ${dashboard.url}\nCtrl-C stops.`);
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void dashboard.close());
      return;
    } catch (error) {
      if (!hasCode(error, 'EADDRINUSE')) throw error;
    }
  }
  throw new Error(`port ${port} is in use on ${host}: choose another --port, or leave it out`);
}

function portNumber(text: string): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 0 && value <= 65_535) || text.trim() === '')
    throw new InvalidArgumentError('It must be a whole number from 0 to 65535.');
  return value;
}
