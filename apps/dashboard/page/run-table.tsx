/** All runs as a table: what is set otherwise in each, and what they have come to, in any order. */
import { differingSettings, formatMeasure, shownMeasures } from '@lpr/report/tables';
import type { JSX } from 'preact';
import { ago, whole } from './format.ts';
import { Link, pageOf } from './navigation.tsx';
import { FEW_TAGS, Status, Tags } from './parts.tsx';
import type { FoundRun } from './search.ts';

interface Column {
  readonly title: string;
  readonly meaning?: string;
  readonly isNumber: boolean;
  /** What runs are ordered by; null comes last. */
  readonly value: (found: FoundRun) => number | string | null;
  readonly text: (found: FoundRun) => string;
}

/** More settings than these make no columns: they are found by the filter. */
const MOST_SETTINGS = 12;

function columnsOf(runs: readonly FoundRun[]): Column[] {
  const number = (title: string, value: (found: FoundRun) => number | null, text = formatMeasure): Column => ({
    ...{ title, value, isNumber: true },
    text: (found) => text(value(found)),
  });
  const differing = differingSettings(runs.map(({ settings }) => settings)).slice(0, MOST_SETTINGS);
  return [
    { title: 'status', isNumber: false, value: ({ run }) => run.status, text: ({ run }) => run.status },
    ...words('tags', runs, ({ run }) => run.tags.join(', ')),
    number('step', ({ run }) => run.step, whole),
    number('test loss', ({ run }) => run.measures.testLoss),
    number('training loss', ({ run }) => run.measures.loss),
    ...shownMeasures('full').map(({ key, title, meaning, decimals }) => ({
      ...number(
        title,
        ({ run }) => run.measures.balance[key] ?? null,
        (value) => formatMeasure(value, decimals),
      ),
      meaning,
    })),
    number('tokens/s', ({ run }) => run.measures.tokensPerSecond, whole),
    ...words('note', runs, ({ run }) => run.noteStart),
    ...differing.map((path): Column => {
      const text = ({ settings }: FoundRun): string => settings.get(path) ?? '-';
      const value = (found: FoundRun): number | string | null => {
        const own = found.settings.get(path);
        return own === undefined ? null : Number.isNaN(Number(own)) || own === '' ? own : Number(own);
      };
      return { title: path, isNumber: runs.every((each) => typeof value(each) !== 'string'), value, text };
    }),
    {
      ...number('changed', ({ run }) => run.updatedAt),
      text: ({ run }) => (run.updatedAt === 0 ? '-' : ago(run.updatedAt)),
    },
  ];
}

/** A column of what people wrote, where they wrote it of any run. */
function words(title: string, runs: readonly FoundRun[], text: (found: FoundRun) => string): Column[] {
  if (runs.every((found) => text(found) === '')) return [];
  return [{ title, isNumber: false, value: (found) => text(found) || null, text: (found) => text(found) || '-' }];
}

interface Props {
  readonly runs: readonly FoundRun[];
  /** Title of the column that orders them, with a minus before it from the greatest down; '' as they come. */
  readonly order: string;
  readonly setOrder: (order: string) => void;
  readonly chosen: readonly string[];
  readonly toggle: (id: string) => void;
  /** Shows the runs with a tag alone. */
  readonly findTag: (tag: string) => void;
}

export function RunTable({ runs, order, setOrder, chosen, toggle, findTag }: Props): JSX.Element {
  const columns = columnsOf(runs);
  const isDown = order.startsWith('-');
  const by = columns.find(({ title }) => title === order.replace(/^-/, ''));
  const ordered = by === undefined ? runs : runs.toSorted((a, b) => compared(by.value(a), by.value(b), isDown));
  return (
    <section class="panel">
      <div class="scroll tall" tabIndex={0} role="region" aria-label="Runs">
        <table>
          <thead>
            <tr>
              <th scope="col">run</th>
              {columns.map(({ title, meaning, isNumber }) => {
                const isBy = title === by?.title;
                return (
                  <th
                    key={title}
                    scope="col"
                    class={isNumber ? '' : 'text'}
                    title={meaning}
                    aria-sort={isBy ? (isDown ? 'descending' : 'ascending') : 'none'}
                  >
                    <button type="button" class="quiet" onClick={() => setOrder(isBy && !isDown ? `-${title}` : title)}>
                      {title}
                      {isBy && <span aria-hidden="true">{isDown ? ' ↓' : ' ↑'}</span>}
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {ordered.map((found) => (
              <tr key={found.run.id}>
                <th scope="row">
                  <input
                    type="checkbox"
                    checked={chosen.includes(found.run.id)}
                    onChange={() => toggle(found.run.id)}
                    aria-label={`Choose ${found.run.id} for a comparison`}
                  />{' '}
                  <Link href={pageOf('run', [found.run.id])}>{found.run.id}</Link>
                </th>
                {columns.map(({ title, isNumber, text }) => (
                  <td key={title} class={`${isNumber ? '' : 'text'} ${title === 'note' ? 'cut' : ''}`}>
                    {title === 'status' ? (
                      <Status run={found.run} />
                    ) : title === 'tags' && found.run.tags.length > 0 ? (
                      <Tags tags={found.run.tags} find={findTag} most={FEW_TAGS} />
                    ) : (
                      text(found)
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** What is not known is last, whichever way. */
function compared(a: number | string | null, b: number | string | null, isDown: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  const order =
    typeof a === 'number' && typeof b === 'number'
      ? a - b
      : String(a).localeCompare(String(b), 'en', { numeric: true });
  return isDown ? -order : order;
}
