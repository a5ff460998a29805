/** A table of @lpr/report in the page, with its notes. A click on the head of a column sorts it. */
import { rowOrder, type TableRecord, textTable } from '@lpr/report/tables';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Link } from './navigation.tsx';

interface Props {
  readonly table: TableRecord;
  /** What it is, for those who cannot see it. */
  readonly label: string;
  /** Where the first cell of a row leads. */
  readonly hrefOf?: (row: number) => string | undefined;
}

/** What the rows go by. */
interface Sorted {
  readonly key: string;
  readonly order: 'ascending' | 'descending';
}

export function RecordTable({ table, label, hrefOf }: Props): JSX.Element {
  const { head, rows, numeric, headings } = textTable(table);
  const classOf = (column: number): string => (column === 0 || numeric[column] ? '' : 'text');
  const [sorted, setSorted] = useState<Sorted | null>(null);
  const order = sorted === null ? [...table.rows.keys()] : rowOrder(table, sorted.key, sorted.order);
  // Levels and the like stay below.
  const shown = [...order, ...[...rows.keys()].slice(table.rows.length)];
  const sort = (key: string): void =>
    setSorted({ key, order: sorted?.key === key && sorted.order === 'ascending' ? 'descending' : 'ascending' });
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label={label}>
        <table>
          <thead>
            <tr>
              {head.map((name, i) => (
                <th
                  key={i}
                  scope="col"
                  class={classOf(i)}
                  title={table.columns[i]?.meaning}
                  aria-sort={sorted?.key === table.columns[i]!.key ? sorted.order : 'none'}
                >
                  <button type="button" class="head" onClick={() => sort(table.columns[i]!.key)}>
                    {name}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.flatMap((row) => {
              const cells = rows[row]!;
              const heading = headings?.get(row);
              const href = hrefOf?.(row);
              return [
                ...(heading === undefined
                  ? []
                  : [
                      <tr key={heading} class="soft">
                        <th scope="rowgroup" colSpan={head.length}>
                          {heading}
                        </th>
                      </tr>,
                    ]),
                <tr key={row} class={row < table.rows.length ? '' : 'soft'}>
                  {cells.map((cell, i) =>
                    i === 0 ? (
                      <th key={i} scope="row">
                        {href === undefined ? cell : <Link href={href}>{cell}</Link>}
                      </th>
                    ) : (
                      <td key={i} class={classOf(i)}>
                        {cell}
                      </td>
                    ),
                  )}
                </tr>,
              ];
            })}
          </tbody>
        </table>
      </div>
      {table.notes.length > 0 && <p class="soft hint">{table.notes.join(' ')}</p>}
    </>
  );
}
