/** Which settings of a comparison are compared with which, and how far the text decides those of one seed. */
import { BlockBootstrap, type Estimate } from '@lpr/metrics';
import { QUANTITIES, type RunBootstrap } from '@lpr/results';
import { finalEvaluation, readBlocks, type Run } from '@lpr/runs';
import { textKey } from '../pool/sessions.ts';
import { type Comparison, runsOfSettings } from './comparison.ts';
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
  const baselines = new Map(Array.from(runsOfSettings({ runs }).keys(), (name) => [name, new Set<string>()]));
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
 * Bootstraps of those settings that have one run, and kept the blocks of its evaluation, by their names, with their
 * differences to those that were evaluated on the same text.
 */
export async function bootstrapsOf(comparison: Comparison, runs: readonly Run[]): Promise<Map<string, RunBootstrap>> {
  const found = new Map<string, BlockBootstrap>();
  for (const [setting, [name, ...others]] of runsOfSettings(comparison)) {
    const run = runs.find((each) => each.name === name);
    const step = finalEvaluation(run?.evaluations.value ?? [])?.step;
    if (others.length > 0 || run === undefined || step === undefined) continue;
    const { value: blocks } = await readBlocks(run.folder, step);
    if (blocks !== undefined) found.set(setting, new BlockBootstrap(blocks));
  }
  const baselines = baselinesOf(comparison);
  const texts = new Map(
    Array.from(runsOfSettings(comparison), ([setting, [run]]) => [setting, textKey(comparison.runs.get(run!)!)]),
  );
  return new Map(
    Array.from(found, ([name, bootstrap]) => {
      const others = Array.from(baselines.get(name)!).flatMap((other): [string, Record<string, Estimate>][] => {
        const known = found.get(other);
        return known === undefined || texts.get(other) !== texts.get(name)
          ? []
          : [[other, differencesOf(bootstrap, known)]];
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
