/** Which settings of a comparison are compared with which, and how far the text decides those of one seed. */
import { BlockBootstrap, type Estimate } from '@lpr/metrics';
import { QUANTITIES, type RunBootstrap } from '@lpr/results';
import { finalEvaluation, readBlocks, type Run } from '@lpr/runs';
import { type Comparison, settingNames } from './comparison.ts';
import { PAPER_TABLES, type PaperRow } from './paper.ts';

/**
 * The row that a row of the paper is compared with: of its architecture the own router, or what the paper settled on;
 * null for that row, and where there is none.
 */
export function baselineRow(rows: readonly PaperRow[], row: PaperRow): PaperRow | null {
  const same = rows.filter(({ architecture }) => architecture === row.architecture);
  const own = same.find(({ isOwnRouter }) => isOwnRouter) ?? same.find(({ isBaseline }) => isBaseline);
  return own === undefined || own === row ? null : own;
}

/** Of each setting the names of those that it is compared with. */
export function baselinesOf({ runs, baseline, tables }: Comparison): Map<string, ReadonlySet<string>> {
  const baselines = new Map(Array.from(settingNames({ runs }).values(), (name) => [name, new Set<string>()]));
  const add = (name: string, other: string | null | undefined): void => {
    if (typeof other === 'string' && other !== name) baselines.get(name)!.add(other);
  };
  for (const name of baselines.keys()) add(name, baseline);
  for (const [table, formulations] of tables) {
    const { rows } = PAPER_TABLES[table];
    for (const names of formulations.values()) {
      for (const [i, row] of rows.entries()) {
        const other = baselineRow(rows, row);
        if (other !== null) add(names[i]!, names[rows.indexOf(other)]);
      }
    }
  }
  return baselines;
}

/**
 * Bootstraps of those settings that have one run, and kept the blocks of its evaluation, by their names. Runs of a
 * comparison are evaluated on the same text.
 */
export async function bootstrapsOf(comparison: Comparison, runs: readonly Run[]): Promise<Map<string, RunBootstrap>> {
  const names = settingNames(comparison);
  const found = new Map<string, BlockBootstrap>();
  for (const { name, folder, evaluations } of runs) {
    const setting = names.get(name)!;
    const isOfSeveral = runs.some((run) => run.name !== name && names.get(run.name) === setting);
    const step = finalEvaluation(evaluations.value ?? [])?.step;
    if (isOfSeveral || step === undefined) continue;
    const { value: blocks } = await readBlocks(folder, step);
    if (blocks !== undefined) found.set(setting, new BlockBootstrap(blocks));
  }
  const baselines = baselinesOf(comparison);
  return new Map(
    Array.from(found, ([name, bootstrap]) => {
      const others = Array.from(baselines.get(name)!).flatMap((other): [string, Record<string, Estimate>][] => {
        const known = found.get(other);
        return known === undefined ? [] : [[other, differencesOf(bootstrap, known)]];
      });
      return [name, { errors: errorsOf(bootstrap), differences: Object.fromEntries(others) }];
    }),
  );
}

/** Of mutual information there are none: a text that holds its blocks twice says more of its tokens than there is. */
function errorsOf(bootstrap: BlockBootstrap): Record<string, number> {
  return Object.fromEntries(
    QUANTITIES.flatMap((quantity) => {
      if (quantity === 'information') return [];
      const { error } = bootstrap.estimate(quantity);
      return error === null ? [] : [[quantity, error]];
    }),
  );
}

/** Those that have an interval. */
function differencesOf(bootstrap: BlockBootstrap, other: BlockBootstrap): Record<string, Estimate> {
  return Object.fromEntries(
    QUANTITIES.flatMap((quantity) => {
      if (quantity === 'information') return [];
      const difference = bootstrap.difference(quantity, other);
      return difference === null || difference.error === null ? [] : [[quantity, difference]];
    }),
  );
}
