/** Tables as HTML, in which names of runs are text, whatever they hold. */
import { type TableRecord, textTable } from './table.ts';

/** A table element and its notes. */
export function tableHtml(table: TableRecord): string {
  const { head, rows, numeric, headings } = textTable(table);
  const cells = (values: readonly string[], tag: (column: number) => string): string =>
    values
      .map((value, i) => {
        const text = i > 0 && !numeric[i] ? ' class="text"' : '';
        return `<${tag(i)}${text}>${escapeHtml(value)}</${tag(i).split(' ')[0]}>`;
      })
      .join('');
  const lines = rows.flatMap((row, i) => {
    const heading = headings?.get(i);
    const above =
      heading === undefined
        ? []
        : [`<tr><th scope="rowgroup" colspan="${head.length}">${escapeHtml(heading)}</th></tr>`];
    return [...above, `<tr>${cells(row, (column) => (column === 0 ? 'th scope="row"' : 'td'))}</tr>`];
  });
  return `<div class="wide" tabindex="0" role="region" aria-label="${escapeHtml(table.title)}"><table>
<thead><tr>${cells(head, () => 'th scope="col"')}</tr></thead>
<tbody>
${lines.join('\n')}
</tbody>
</table></div>
${table.notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('\n')}`;
}

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
