/** Measures the GPU of the browser that shows this page, and offers what it found as a file of results. */
import { textTable } from '@lpr/report/tables';
import type { Table, TablesResult } from '@lpr/results';
import { createGpuDevice, type GpuDevice } from '@lpr/tensor';
import { attentionTable } from '../src/gpu-attention.ts';
import { productsTable } from '../src/gpu-products.ts';
import { stepsTable } from '../src/gpu-steps.ts';

const form = document.querySelector('form')!;
const button = form.querySelector('button')!;
const download = document.querySelector<HTMLAnchorElement>('#download')!;
const status = document.querySelector('#status')!;
const problem = document.querySelector('#problem')!;
const shown = document.querySelector('#tables')!;

/** Software GPUs too: whoever measures one is told its name. */
const open = (): Promise<GpuDevice> => createGpuDevice({ allowSoftware: true });

/** By the names of `pnpm bench gpu --only`. */
const PARTS: Readonly<Record<string, { about: string; table: (toy: boolean) => Promise<Table> }>> = {
  products: { about: 'matrix products', table: (toy) => withDevice((device) => productsTable(device, toy)) },
  attention: { about: 'attention', table: (toy) => withDevice((device) => attentionTable(device, toy)) },
  steps: { about: 'training steps', table: (toy) => stepsTable(open, toy) },
};

async function withDevice(measure: (device: GpuDevice) => Promise<Table>): Promise<Table> {
  const device = await open();
  try {
    return await measure(device);
  } finally {
    await device.dispose();
  }
}

function cell(kind: 'th' | 'td', text: string): HTMLElement {
  const element = document.createElement(kind);
  element.textContent = text;
  return element;
}

function show(table: Table): void {
  const element = document.createElement('table');
  element.createCaption().textContent = table.title;
  const { head, rows } = textTable(table);
  element
    .createTHead()
    .insertRow()
    .append(...head.map((text) => cell('th', text)));
  const body = element.createTBody();
  for (const row of rows) body.insertRow().append(...row.map((text) => cell('td', text)));
  const notes = table.notes.map((note) => {
    const line = document.createElement('p');
    line.className = 'note';
    line.textContent = note;
    return line;
  });
  shown.append(element, ...notes);
}

function offer(tables: Readonly<Record<string, Table>>, gpu: string): void {
  const result: TablesResult = {
    kind: 'tables',
    about: `Speed of the GPU device in a browser, on ${gpu}.`,
    commands: ['pnpm bench gpu --page'],
    when: new Date().toISOString().slice(0, 10),
    machine: { cpu: navigator.userAgent, node: null, threads: navigator.hardwareConcurrency },
    tables,
  };
  URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(new Blob([`${JSON.stringify(result, null, 2)}\n`], { type: 'application/json' }));
  download.hidden = false;
}

async function measure(parts: readonly string[], toy: boolean): Promise<void> {
  const device = await open();
  const gpu = device.description;
  await device.dispose();
  const tables: Record<string, Table> = {};
  for (const [i, part] of parts.entries()) {
    const { about, table } = PARTS[part]!;
    status.textContent = `${gpu}: measuring ${about} (${i + 1} of ${parts.length}) ...`;
    const measured = await table(toy);
    tables[`gpu-${part}`] = { ...measured, notes: [`On ${gpu}.`, ...measured.notes] };
    show(measured);
    // What is there is not lost with what follows.
    offer(tables, gpu);
  }
  status.textContent = `${gpu}: done.`;
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const chosen = new FormData(form);
  shown.replaceChildren();
  problem.textContent = '';
  status.textContent = '';
  download.hidden = true;
  button.disabled = true;
  measure(chosen.getAll('part').map(String), chosen.has('toy'))
    .catch((error: unknown) => {
      status.textContent = '';
      problem.textContent = error instanceof Error ? error.message : String(error);
    })
    .finally(() => {
      button.disabled = false;
    });
});
