/**
 * What others read of a run: TensorBoard's own reader opens its events, Python's csv and pandas the tables of its
 * figures. LPR_PYTHON may name a Python that has them.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layersReport } from '@lpr/metrics';
import { type DataTable, toCsv } from '@lpr/report/tables';
import { balanceOf, RunFolder } from '@lpr/runs';
import { afterAll, expect, it } from 'vitest';

/** A Python in which a program ends well. */
const pythonFor = (program: string): string | undefined =>
  [process.env['LPR_PYTHON'] ?? 'python3', 'python3', '/usr/bin/python3'].find(
    (command) => spawnSync(command, ['-c', program], { stdio: 'ignore' }).status === 0,
  );
const plain = pythonFor('import csv');
const withPandas = pythonFor('import pandas');
const withTensorboard = pythonFor('import tensorboard.backend.event_processing.event_accumulator');
if (withPandas === undefined) console.warn('skipped: no python3 with pandas is installed (Debian: python3-pandas)');
if (withTensorboard === undefined)
  console.warn('skipped: no python3 with tensorboard is installed (pip install tensorboard; LPR_PYTHON names one)');

const work = mkdtempSync(join(tmpdir(), 'lpr-readers-'));
afterAll(() => rmSync(work, { recursive: true }));

function run(python: string, program: string, ...args: readonly string[]): unknown {
  return JSON.parse(execFileSync(python, ['-B', '-c', program, ...args], { encoding: 'utf8' }));
}

const TIMEOUT = 120_000;
const COUNTS = [
  [120, 130, 125, 125],
  [400, 60, 40, 0],
];

/** Three steps, of which the last closes a window, then the evaluation at the end. */
async function writeRun(folder: string): Promise<void> {
  const balance = balanceOf(layersReport(COUNTS));
  const written = await RunFolder.create(folder, { router: 'lpr' });
  const logs = await written.openLogs(0, { layers: 2, experts: 4, topK: 1 });
  for (const step of [1, 2, 300]) {
    const line = {
      step,
      tokens: 500 * step,
      loss: 3 - step / 1000,
      totalLoss: 3.5,
      learningRate: 1e-3,
      gradientNorm: 1,
    };
    const isLast = step === 300;
    await logs.appendStep(
      {
        ...line,
        terms: { kl: { raw: [1, 2], weighted: [0.25, 0.5] } },
        ...(isLast && { balance, tokensPerSecond: 900 }),
      },
      ...(isLast ? [{ tokens: 500, counts: COUNTS }] : []),
    );
  }
  await logs.appendEvaluation({
    ...{ step: 300, tokens: 150_000, final: true, loss: 2, perplexity: Math.exp(2), evaluatedTokens: 500, balance },
    domains: { prose: { loss: 2, perplexity: Math.exp(2), tokens: 500 } },
    ...{ mutualInformation: null, mutualInformationBias: null, counts: COUNTS },
  });
  await logs.close();
  await written.close();
}

it.skipIf(withTensorboard === undefined)(
  "TensorBoard's own reader finds every scalar, histogram and picture",
  async () => {
    const folder = join(work, 'run');
    await writeRun(folder);
    const program = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "images": 0})
events.Reload()
tags = events.Tags()
print(json.dumps({
  "scalars": {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags["scalars"]},
  "histograms": {tag: [(e.step, e.histogram_value.num, e.histogram_value.sum, list(e.histogram_value.bucket)) for e in events.Histograms(tag)] for tag in tags["histograms"]},
  "images": {tag: [(e.step, e.width, e.height, e.encoded_image_string[:4].hex()) for e in events.Images(tag)] for tag in tags["images"]},
}))`;
    const read = run(withTensorboard!, program, folder) as {
      scalars: Record<string, [step: number, value: number][]>;
      histograms: Record<string, [step: number, count: number, sum: number, buckets: number[]][]>;
      images: Record<string, [step: number, width: number, height: number, start: string][]>;
    };
    const single = (value: number): number => Math.fround(value);
    expect(read.scalars['loss/crossEntropy']).toEqual([1, 2, 300].map((step) => [step, single(3 - step / 1000)]));
    expect(read.scalars['terms/kl']).toEqual([1, 2, 300].map((step) => [step, 0.75]));
    const gini = single(layersReport(COUNTS).mean.gini);
    for (const tag of ['balance/gini', 'evaluation/balance/gini']) expect(read.scalars[tag]).toEqual([[300, gini]]);
    expect(read.scalars['evaluation/loss/prose']).toEqual([[300, 2]]);
    expect(Object.keys(read.histograms)).toEqual(['loads/0', 'loads/1']);
    const [histogram] = Object.values(read.histograms)[0]!;
    expect(histogram!.slice(0, 2)).toEqual([300, 4]);
    expect(histogram![3].reduce((a, b) => a + b, 0)).toBe(4);
    const [step, width, height, start] = read.images['loads']![0]!;
    expect(Object.keys(read.images)).toEqual(['loads']);
    expect([step, start]).toEqual([300, '89504e47']);
    expect(Math.min(width, height)).toBeGreaterThan(0);
  },
  TIMEOUT,
);

const TABLE: DataTable = {
  header: ['run', 'step', 'loss', 'what, "quoted"'],
  rows: [
    ['Qwen3-MoE, seed 0', 1, 2.5, 'a "b", c'],
    ['naïve 模型 🙂', 2, 1e-7, 'two\r\nlines'],
    ['<b>&amp;</b>', 300, null, ''],
    ['-1+1', 400, Number.NaN, ' spaces '],
  ],
};
/** As text, a formula with the apostrophe before it. */
const READ = TABLE.rows.map((row) =>
  row.map((cell) => (cell === '-1+1' ? "'-1+1" : cell === null || Number.isNaN(cell) ? '' : cell)),
);

function csvFile(): string {
  const file = join(work, 'table.csv');
  writeFileSync(file, toCsv(TABLE));
  return file;
}

it.skipIf(plain === undefined)(
  "Python's csv reads a table as it was",
  () => {
    const program = `
import csv, json, sys
with open(sys.argv[1], newline="", encoding="utf-8") as file:
  print(json.dumps(list(csv.reader(file, strict=True))))`;
    const numbered = (row: readonly (string | number | null)[]): string[] => row.map(String);
    const rows = run(plain!, program, csvFile()) as string[][];
    expect(rows).toEqual([TABLE.header, ...READ.map(numbered)]);
    expect(rows.slice(1).map(([, step, loss]) => [Number(step), loss === '' ? '' : Number(loss)])).toEqual(
      READ.map(([, step, loss]) => [step, loss]),
    );
  },
  TIMEOUT,
);

it.skipIf(withPandas === undefined)(
  'pandas reads a table with its types',
  () => {
    const program = `
import json, sys
import pandas
table = pandas.read_csv(sys.argv[1], keep_default_na=False, na_values={"loss": [""]})
print(json.dumps({"columns": list(table.columns), "kinds": [table[name].dtype.kind for name in ["step", "loss"]], "rows": json.loads(table.to_json(orient="values", double_precision=15))}))`;
    const read = run(withPandas!, program, csvFile());
    expect(read).toEqual({
      columns: TABLE.header,
      kinds: ['i', 'f'],
      rows: READ.map((row) => row.map((cell, i) => (i === 2 && cell === '' ? null : cell))),
    });
  },
  TIMEOUT,
);
