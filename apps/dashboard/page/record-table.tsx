/** A table of @lpr/report in the page, with its notes. */
import { type TableRecord, textTable } from '@lpr/report/tables';
import type { JSX } from 'preact';
import { Link } from './navigation.tsx';

interface Props {
  readonly table: TableRecord;
  /** What it is, for those who cannot see it. */
  readonly label: string;
  /** Where the first cell of a row leads. */
  readonly hrefOf?: (row: number) => string | undefined;
}

export function RecordTable({ table, label, hrefOf }: Props): JSX.Element {
  const { head, rows, numeric } = textTable(table);
  const classOf = (column: number): string => (column === 0 || numeric[column] ? '' : 'text');
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label={label}>
        <table>
          <thead>
            <tr>
              {head.map((name, i) => (
                <th key={i} scope="col" class={classOf(i)} title={table.columns[i]?.meaning}>
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((cells, row) => {
              const href = hrefOf?.(row);
              return (
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
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {table.notes.length > 0 && <p class="soft hint">{table.notes.join(' ')}</p>}
    </>
  );
}
