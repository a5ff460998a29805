/** All runs below the served folder, found anew at each poll. */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { findRuns } from '@lpr/runs';
import type { AllSettings, RunList } from '../api.ts';
import type { ServedFolder } from './paths.ts';
import { FollowedRun } from './run.ts';

/** Runs lie directly in the folder, or in a comparison or series inside it. */
const MAX_DEPTH = 3;
/** Settings that are told of all runs at once. */
const MAX_PATHS = 1000;

export class RunStore {
  readonly #folder: ServedFolder;
  /** As the command line named it. */
  readonly #name: string;
  readonly #runs = new Map<string, FollowedRun>();
  /** Versions that were told of: a request may have read a run's news before the poll comes to it. */
  readonly #told = new WeakMap<FollowedRun, number>();
  /** Ids of runs that are gone, of which was not told yet: a request may have found that out before the poll does. */
  readonly #gone = new Set<string>();
  #discovering: Promise<void> | null = null;

  constructor(folder: ServedFolder, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** A run by its id, with what its files hold by now; undefined where there is no such run. */
  async run(id: string): Promise<FollowedRun | undefined> {
    if (!this.#runs.has(id) || !(await this.#isThere(id))) await this.discover();
    const run = this.#runs.get(id);
    await run?.poll();
    return run;
  }

  list(): RunList {
    return { folder: this.#name, runs: Array.from(this.#runs.values(), (run) => run.summary()), gone: [] };
  }

  /** The settings of all runs, as far as these are read. Each path is named once, whatever the number of runs. */
  settings(): AllSettings {
    const places = new Map<string, number>();
    const runs = Array.from(this.#runs.values(), (run): [string, (string | null)[]] => {
      const values: (string | null)[] = [];
      for (const [path, value] of run.settings()) {
        if (!places.has(path)) {
          // Folders of strangers must not make a table of any size.
          if (places.size >= MAX_PATHS) continue;
          places.set(path, places.size);
        }
        values[places.get(path)!] = value;
      }
      return [run.id, values];
    });
    const paths = [...places.keys()];
    const whole = runs.map(([id, values]) => [id, paths.map((_, i) => values[i] ?? null)] as const);
    return { paths, runs: Object.fromEntries(whole) };
  }

  /** Looks for runs. Calls at one time share one pass. */
  discover(): Promise<void> {
    this.#discovering ??= this.#discover().finally(() => (this.#discovering = null));
    return this.#discovering;
  }

  /** Looks for runs and reads what is new in each. @param changed is told what changed as soon as it is read */
  async poll(changed: (list: RunList) => void): Promise<void> {
    await this.discover();
    if (this.#gone.size > 0) changed({ folder: this.#name, runs: [], gone: [...this.#gone] });
    this.#gone.clear();
    for (const run of [...this.#runs.values()]) {
      await run.poll();
      if (this.#told.get(run) === run.version) continue;
      this.#told.set(run, run.version);
      changed({ folder: this.#name, runs: [run.summary()], gone: [] });
    }
  }

  async #discover(): Promise<void> {
    const list = (path: string): Promise<Dirent[]> => this.#list(path);
    const found = new Set(await findRuns(this.#folder.root, { depth: MAX_DEPTH, list }));
    for (const id of this.#runs.keys()) {
      if (found.has(id)) continue;
      this.#runs.delete(id);
      this.#gone.add(id);
    }
    for (const id of found) if (!this.#runs.has(id)) this.#runs.set(id, new FollowedRun(this.#folder, id));
  }

  /** Whether the folder of a run is one still. */
  async #isThere(id: string): Promise<boolean> {
    return (await findRuns(this.#folder.root, { depth: 0, list: () => this.#list(id) })).length > 0;
  }

  /** What leaves the served folder is not there. */
  async #list(path: string): Promise<Dirent[]> {
    return await readdir(await this.#folder.resolve(path), { withFileTypes: true });
  }
}
