/** Results that are computed without training, as `pnpm tables compute` stores them in `docs/results`. */
import type { TablesResult } from '@lpr/results';
import type { Device } from '@lpr/tensor';
import { hyperparameterTable } from './hyperparameters.ts';
import { logitVarianceTable } from './logit-variance.ts';
import { scalingTable } from '../run/ranks-plan.ts';
import { tokenTypeTable } from './token-types.ts';

interface Computed {
  /** What it is. */
  readonly about: string;
  readonly tables: (device: Device) => Promise<TablesResult['tables']>;
}

/** By the names of their files. */
export const COMPUTED: Readonly<Record<string, Computed>> = {
  hyperparameters: {
    about:
      'Table 8 of the LPR paper (arXiv 2506.21328) beside the settings of our presets of its models, and why a value is another one. Those of the paper are typed off.',
    tables: async () => ({ hyperparameters: hyperparameterTable() }),
  },
  'logit-variance': {
    about:
      'Fresh routers over random tokens of mean square 1 at growing width d: how the variance of scores grows (equation 8 of the LPR paper), and what that does to weights and choices. The last column is of tokens with half of their square in one direction that all share.',
    tables: async (device) => ({ routers: await logitVarianceTable(device, [16, 64, 256, 1024, 4096]) }),
  },
  'scaling-plan': {
    about:
      "The cost model of docs/scaling.md for the paper's Qwen3-MoE-LPR with 1,024 experts on ranks of 60e12 operations and 2 TB of memory a second with 200 Gb/s and 5 us each, a batch a rank, by the load of the slowest rank over the mean: even, and what LPR and the own router came to on four ranks.",
    tables: async () => ({ steps: scalingTable() }),
  },
  'token-types': {
    about:
      'How even the loads of a layer could be at best if the experts of a token depended on its id alone: of the held-out text of the default job, with its tokenizer. Types are those above the fair share of an expert, k / M of the tokens, or of what more frequent ones leave.',
    tables: async () => ({ types: await tokenTypeTable() }),
  },
};
