/**
 * Causal grouped-query attention: fused where heads are narrow (attention-shader.ts). Without workgroup memory, as in
 * gpu.js kernels, that would compute each score many times over: there scores are written out, for as many sequences at
 * once as a bounded block of memory holds.
 */
import type { AttentionArguments, AttentionKernels } from '../../kernels/attention.ts';
import { axes, indexOf, int, quotient } from '../axes.ts';
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { fusedAttention, fusedAttentionBackward } from './attention-shader.ts';
import { join } from './movement.ts';
import { dotLoop, eachColumn, returnTile, tileColumns, tileWidth } from './tiles.ts';

/** Scores that are written out at once: at most 256 MiB. */
const MOST_SCORES = 2 ** 26;

type Sizes = Omit<AttentionArguments, 'q' | 'k' | 'v' | 'out' | 'logSumExp'>;

export function attentionKernels(run: Recorder): AttentionKernels {
  return {
    attention({ q: qBuffer, k: kBuffer, v: vBuffer, out, logSumExp, ...sizes }) {
      if (sizes.batch * sizes.sequence * sizes.heads === 0) return;
      const [q, k, v] = [run.value(qBuffer), run.value(kBuffer), run.value(vBuffer)];
      const fused = fusedAttention(run, sizes, q, k, v);
      if (fused !== null) {
        run.store(out, fused[0]);
        run.store(logSumExp, fused[1]);
        return;
      }
      const slabs = slabsOf(run, sizes).map((slab) => {
        const kernels = attentionOf(run, sizes, slab);
        const scores = kernels.scores(q, k);
        const logSums = kernels.logSums(scores);
        return { logSums, out: kernels.average(scores, logSums, v) };
      });
      run.store(
        logSumExp,
        join(
          run,
          slabs.map((slab) => slab.logSums),
        ),
      );
      if (out.elements === 0) return;
      run.store(
        out,
        join(
          run,
          slabs.map((slab) => slab.out),
        ),
      );
    },

    attentionBackward({ out: outBuffer, logSumExp, gradient: g, gradQ, gradK, gradV, ...rest }) {
      const { q: qBuffer, k: kBuffer, v: vBuffer, ...sizes } = rest;
      if (sizes.batch * sizes.sequence * sizes.heads === 0) return;
      const [q, k, v] = [run.value(qBuffer), run.value(kBuffer), run.value(vBuffer)];
      const [out, logSums, gradient] = [run.value(outBuffer), run.value(logSumExp), run.value(g)];
      const fused = fusedAttentionBackward(run, sizes, { q, k, v, out, gradient, logSumExp: logSums });
      if (fused !== null) {
        for (const [i, buffer] of [gradQ, gradK, gradV].entries()) run.store(buffer, fused[i]!);
        return;
      }
      const dots = outputDots(run, sizes, out, gradient);
      const { headDim, valueDim } = sizes;
      const slabs = slabsOf(run, sizes).map((slab) => {
        const kernels = attentionOf(run, sizes, slab);
        const probabilities = kernels.probabilities(q, k, logSums);
        const gradScores = kernels.gradScores(probabilities, gradient, v, dots);
        return [
          kernels.overKeys(gradScores, k, headDim),
          kernels.overQueries(gradScores, q, headDim),
          kernels.overQueries(probabilities, gradient, valueDim),
        ] as const;
      });
      for (const [i, buffer] of [gradQ, gradK, gradV].entries()) {
        if (buffer.elements === 0) continue;
        run.store(
          buffer,
          join(
            run,
            slabs.map((slab) => slab[i]!),
          ),
        );
      }
    },
  };
}

/** Sequences `first .. first + count` of the batch. */
interface Slab {
  readonly first: number;
  readonly count: number;
}

function slabsOf(run: Recorder, { batch, heads, sequence }: Sizes): Slab[] {
  const scores = Math.min(MOST_SCORES, run.largestBlock);
  const most = Math.max(1, Math.floor(scores / (heads * sequence * sequence)));
  return Array.from({ length: Math.ceil(batch / most) }, (_, i) => ({
    first: i * most,
    count: Math.min(most, batch - i * most),
  }));
}

/** `dots[b, h, i]` = the output of a query times its gradient. */
function outputDots(run: Recorder, { batch, sequence, heads, valueDim }: Sizes, out: Value, gradient: Value): Value {
  const { extents, at } = axes(sequence, heads, batch);
  return run.launch({
    key: `attention output dots ${sequence} ${heads} ${valueDim} ${at.join()}`,
    extents,
    buffers: { out, gradient },
    body: () => {
      const row = indexOf(at, [heads * valueDim, valueDim, sequence * heads * valueDim]);
      return `let sum = 0.0;
        for (let d = 0; d < ${valueDim}; d++) {
          sum = sum + out[${row} + ${int('d')}] * gradient[${row} + ${int('d')}];
        }
        return sum;`;
    },
  });
}

/** The launches over one slab. Scores and what is laid out like them are `[count, heads, sequence, sequence]`. */
function attentionOf(run: Recorder, sizes: Sizes, { first, count }: Slab) {
  const { sequence, heads, keyHeads, headDim, valueDim, scale } = sizes;
  const perKeyHead = heads / keyHeads;
  const suffix = `${sequence} ${heads} ${keyHeads} ${headDim} ${valueDim} ${first} ${count}`;
  const scoreStrides = [1, sequence, sequence * sequence, sequence * sequence * heads];

  /** Index into `[batch, sequence, headsOf, width]` of the whole batch. */
  const element = (channel: string, head: string, position: string, batchAt: string, headsOf: number, width: number) =>
    indexOf(
      [channel, head, position, batchAt],
      [1, width, width * headsOf, width * headsOf * sequence],
      first * width * headsOf * sequence,
    );
  const keyHead = (head: string): string => quotient(head, perKeyHead);
  /** Index into `[batch, heads, sequence]` of the whole batch. */
  const query = (position: string, head: string, batchAt: string): string =>
    indexOf([position, head, batchAt], [1, sequence, sequence * heads], first * sequence * heads);

  /**
   * For every query and key that is not later: the dot product of two rows of `width`, and what `result` makes of it.
   */
  const overPairs = (
    key: string,
    buffers: Readonly<Record<string, Value>>,
    left: string,
    right: string,
    width: number,
    result: (dot: string, at: { score: string; query: string }) => string,
  ): Value => {
    const tile = tileWidth(sequence);
    const { extents, at } = axes(sequence / tile, sequence, heads, count);
    return run.launch({
      key: `attention ${key} ${suffix}`,
      extents,
      width: tile,
      buffers,
      numbers: { scale },
      body: () => {
        const [j, i, head, batchAt] = [at[0]!, at[1]!, at[2]!, at[3]!];
        const columns = tileColumns(j, tile);
        return `if (${columns[0]!} > ${i}) { ${returnTile(columns, () => '0.0')} }
          ${dotLoop(
            columns,
            width,
            (d) => `${left}[${element(d, head, i, batchAt, heads, width)}]`,
            (d, column) => `${right}[${element(d, keyHead(head), column, batchAt, keyHeads, width)}]`,
          )}
          ${eachColumn(columns, (column, lane) => {
            const places = {
              score: indexOf([column, i, head, batchAt], scoreStrides),
              query: query(i, head, batchAt),
            };
            return `let result${lane} = 0.0;
              if (${column} <= ${i}) { result${lane} = ${result(`sum${lane}`, places)}; }`;
          })}
          ${returnTile(columns, (_, lane) => `result${lane}`)}`;
      },
    });
  };

  return {
    scores: (q: Value, k: Value): Value => overPairs('scores', { q, k }, 'q', 'k', headDim, (dot) => `scale * ${dot}`),

    probabilities: (q: Value, k: Value, logSums: Value): Value =>
      overPairs(
        'probabilities',
        { q, k, logSums },
        'q',
        'k',
        headDim,
        (dot, at) => `Math.exp(scale * ${dot} - logSums[${at.query}])`,
      ),

    gradScores: (probabilities: Value, gradient: Value, v: Value, dots: Value): Value =>
      overPairs(
        'score gradients',
        { probabilities, gradient, v, dots },
        'gradient',
        'v',
        valueDim,
        // Rounded as what it is compared with was: gpu.js's cpu mode computes in float64.
        (dot, at) => `scale * probabilities[${at.score}] * (Math.fround(${dot}) - dots[${at.query}])`,
      ),

    logSums(scores: Value): Value {
      const { extents, at } = axes(sequence, heads, count);
      return run.launch({
        key: `attention log sums ${suffix}`,
        extents,
        buffers: { scores },
        body: () => {
          const scoreOf = (j: string): string => `scores[${indexOf([j, ...at], scoreStrides)}]`;
          return `let largest = ${scoreOf('0')};
            for (let j = 1; j < ${sequence}; j++) {
              if (${int('j')} > ${at[0]!}) { break; }
              const score = ${scoreOf(int('j'))};
              if (score > largest) { largest = score; }
            }
            let sum = 0.0;
            for (let j = 0; j < ${sequence}; j++) {
              if (${int('j')} > ${at[0]!}) { break; }
              sum = sum + Math.exp(${scoreOf(int('j'))} - largest);
            }
            return Math.log(sum) + largest;`;
        },
      });
    },

    /** The values of earlier positions, weighted by the exponentials of scores minus their logarithmic sum. */
    average(scores: Value, logSums: Value, v: Value): Value {
      const tile = tileWidth(valueDim);
      const { extents, at } = axes(valueDim / tile, heads, sequence, count);
      return run.launch({
        key: `attention average ${suffix}`,
        extents,
        width: tile,
        buffers: { scores, logSums, v },
        body: () => {
          const [channel, head, i, batchAt] = [at[0]!, at[1]!, at[2]!, at[3]!];
          const columns = tileColumns(channel, tile);
          const logSum = indexOf([i, head, batchAt], [1, sequence, sequence * heads]);
          return `const logSum = logSums[${logSum}];
            ${dotLoop(
              columns,
              sequence,
              (j) => `Math.exp(scores[${indexOf([j, i, head, batchAt], scoreStrides)}] - logSum)`,
              (j, column) => `v[${element(column, keyHead(head), j, batchAt, keyHeads, valueDim)}]`,
              (j) => `${j} > ${i}`,
            )}
            ${returnTile(columns, (_, lane) => `sum${lane}`)}`;
        },
      });
    },

    /** For each query: the rows `[.., keyHeads, width]` of its keys, times `weights`. */
    overKeys(weights: Value, rows: Value, width: number): Value {
      const tile = tileWidth(width);
      const { extents, at } = axes(width / tile, heads, sequence, count);
      return run.launch({
        key: `attention over keys ${width} ${suffix}`,
        extents,
        width: tile,
        buffers: { weights, rows },
        body: () => {
          const [channel, head, i, batchAt] = [at[0]!, at[1]!, at[2]!, at[3]!];
          const columns = tileColumns(channel, tile);
          return `${dotLoop(
            columns,
            sequence,
            (j) => `weights[${indexOf([j, i, head, batchAt], scoreStrides)}]`,
            (j, column) => `rows[${element(column, keyHead(head), j, batchAt, keyHeads, width)}]`,
            (j) => `${j} > ${i}`,
          )}
          ${returnTile(columns, (_, lane) => `sum${lane}`)}`;
        },
      });
    },

    /** For each key: the rows `[.., heads, width]` of the queries of its heads that see it, times `weights`. */
    overQueries(weights: Value, rows: Value, width: number): Value {
      const tile = tileWidth(width);
      const { extents, at } = axes(width / tile, keyHeads, sequence, count);
      return run.launch({
        key: `attention over queries ${width} ${suffix}`,
        extents,
        width: tile,
        buffers: { weights, rows },
        body: () => {
          const [channel, keyHeadAt, j, batchAt] = [at[0]!, at[1]!, at[2]!, at[3]!];
          const columns = tileColumns(channel, tile);
          const head = `(${keyHeadAt} * ${perKeyHead} + ${int('member')})`;
          const i = int('i');
          return `${eachColumn(columns, (_, lane) => `let sum${lane} = 0.0;`)}
            for (let member = 0; member < ${perKeyHead}; member++) {
              for (let i = 0; i < ${sequence}; i++) {
                if (${i} >= ${j}) {
                  const weight = weights[${indexOf([j, i, head, batchAt], scoreStrides)}];
                  ${eachColumn(
                    columns,
                    (column, lane) =>
                      `sum${lane} = sum${lane} + weight * rows[${element(column, head, i, batchAt, heads, width)}];`,
                  )}
                }
              }
            }
            ${returnTile(columns, (_, lane) => `sum${lane}`)}`;
        },
      });
    },
  };
}
