/** How even loads could be on the text of the default job if the experts of a token depended on its type alone. */
import { prepareTokens } from '@lpr/data';
import { balanceReport, tokenTypeFloor } from '@lpr/metrics';
import type { Table } from '@lpr/results';
import { evaluationText } from '../run/session.ts';
import { resolveSettings } from '../settings/resolve.ts';

/** Experts and k of the paper's tables 1 and 5, and beyond. */
const SIZES = [
  [32, 4],
  [128, 8],
  [512, 8],
  [1024, 8],
  [512, 1],
] as const;

export async function tokenTypeTable(): Promise<Table> {
  const { data, size, evaluation } = resolveSettings({ config: [], set: [] });
  const { heldOut } = await prepareTokens({
    seed: 0,
    sources: data.sources,
    heldOutFraction: data.heldOutFraction,
    tokenizer: { vocabularySize: size.vocabulary },
  });
  const { batches, total } = evaluationText(heldOut, data.sequenceLength, evaluation);
  const counts = new Float64Array(size.vocabulary);
  for (const { inputIds } of batches()) for (const token of inputIds) counts[token]!++;
  return {
    title: `Token types over ${total.toLocaleString('en')} held-out tokens, vocabulary of ${size.vocabulary.toLocaleString('en')}`,
    columns: [
      { key: 'size', title: 'experts - top k' },
      { key: 'fair', title: "an expert's share of the tokens, %", decimals: 2 },
      { key: 'types', title: 'types above it', decimals: 0 },
      { key: 'share', title: 'their share, %', decimals: 1 },
      { key: 'gini', title: 'least Gini', decimals: 3 },
      { key: 'minMax', title: 'largest min-max', decimals: 3 },
    ],
    rows: SIZES.map(([experts, topK]) => {
      const { loads, frequent, share } = tokenTypeFloor(counts, { experts, topK });
      const { gini, minMax } = balanceReport(loads);
      return {
        size: `${experts}-${topK}`,
        fair: (100 * topK) / experts,
        types: frequent.length,
        share: 100 * share,
        gini,
        minMax,
      };
    }),
    notes: [],
  };
}
