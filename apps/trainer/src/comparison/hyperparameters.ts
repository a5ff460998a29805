/**
 * Table 8 of the LPR paper (arXiv 2506.21328): the hyperparameters of its 0.6B models with LPR beside those of our
 * presets, which are read from the settings that a run of them gets, and why a value is another one.
 */
import type { DecoderConfig } from '@lpr/model';
import { formatShort } from '@lpr/report/tables';
import type { Table } from '@lpr/results';
import { ADAMW_DEFAULTS } from '@lpr/tensor/nn';
import { predictRun } from '../run/prediction.ts';
import { configValue, decoderConfig } from '../settings/decoder-config.ts';
import { ABLATION_STEPS, counterpartOf } from '../settings/decisions.ts';
import { resolveSettings } from '../settings/resolve.ts';
import type { RouterName } from '../settings/routers.ts';
import type { Architecture, Settings } from '../settings/schema.ts';

/** In the order of the paper's columns. */
const COLUMNS: readonly Architecture[] = ['qwen3-moe', 'deepseek-v3', 'mixtral'];

type Value = string | number;
/** One of all architectures, or one of each. */
type Printed = Value | readonly [qwen3Moe: Value, deepSeekV3: Value, mixtral: Value];

/** What stands where a model has no such thing. */
const NONE = '-';

/** A model of the paper as a run would train it. */
interface Model {
  readonly settings: Settings;
  readonly config: DecoderConfig;
}

interface Hyperparameter {
  readonly name: string;
  readonly paper: Printed;
  readonly of: (model: Model) => Value;
  /** Of the architecture's own router in place of LPR. */
  readonly isOfOwnRouter?: true;
  /** Why one of ours is another value than the paper's; only where one is. */
  readonly why?: string;
}

function key(name: string): (model: Model) => Value {
  return ({ config }) => {
    const value = configValue(config, name);
    return typeof value === 'number' || typeof value === 'string' ? value : NONE;
  };
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

const HYPERPARAMETERS: readonly Hyperparameter[] = [
  {
    name: 'parameters',
    paper: '0.6B',
    of: ({ settings }) => `${(predictRun(settings).parameters / 1e9).toFixed(1)}B`,
  },
  { name: 'vocabulary', paper: 151_936, of: ({ settings }) => settings.size.vocabulary },
  {
    name: 'hidden size',
    paper: [1204, 1024, 1024],
    of: key('hidden_size'),
    why: '1204 is printed for Qwen3-MoE; the released configs, and so ours, have 1024',
  },
  {
    name: 'width of a head',
    paper: [128, NONE, 64],
    of: ({ settings, config }) => (config.model_type === 'deepseek_v3' ? NONE : settings.size.headDim),
  },
  {
    name: 'width of a head without positions',
    paper: [NONE, 64, NONE],
    of: key('qk_nope_head_dim'),
    why: 'the released config has it the other way round: 128 without positions, 64 with them',
  },
  {
    name: 'width of a head with positions',
    paper: [NONE, 128, NONE],
    of: key('qk_rope_head_dim'),
    why: 'as above',
  },
  { name: 'heads', paper: [16, 8, 16], of: ({ settings }) => settings.size.heads },
  { name: 'heads of keys and values', paper: [4, 8, 4], of: ({ settings }) => settings.size.keyValueHeads },
  { name: 'activation', paper: 'silu', of: key('hidden_act') },
  {
    name: 'width of an expert',
    paper: 128,
    of: ({ settings }) => settings.size.expertWidth,
    why: 'the released config of DeepSeek-V3 has 110',
  },
  { name: 'shared experts', paper: [NONE, 5, NONE], of: key('n_shared_experts') },
  { name: 'experts per token', paper: 8, of: ({ settings }) => settings.size.topK },
  { name: 'experts in a layer', paper: 128, of: ({ settings }) => settings.size.experts },
  {
    name: 'own router: weight of the auxiliary loss',
    paper: [0.001, 0, 0.001],
    of: ({ settings }) => settings.balancing?.auxiliaryLoss ?? NONE,
    isOfOwnRouter: true,
  },
  {
    name: 'strength of the regularisers',
    paper: 0.01,
    of: lpr(({ strength }) => strength),
    why: 'lpr averages over entries, tokens and micro-batches what the released code adds up over 18 or 27 micro-batches (0.18 to 0.27 in effect)',
  },
  { name: 'latent width', paper: 16, of: lpr(({ latentDim }) => latentDim) },
  { name: 'moving-average prototypes', paper: 'off', of: lpr(({ ema }) => ema) },
  {
    name: 'their decay',
    paper: 0.9,
    of: lpr(({ emaDecay }) => emaDecay),
    why: 'the released code has 0.8; read only where they are on',
  },
  { name: 'measure', paper: 'cosine', of: lpr(({ measure }) => measure) },
  { name: 'diversity', paper: 'orthogonal', of: lpr(({ diversity }) => diversity) },
  { name: 'its weight', paper: 1, of: lpr(({ diversityWeight }) => diversityWeight) },
  { name: 'weight of KL', paper: 0.01, of: lpr(({ klWeight }) => klWeight) },
  {
    name: 'weight of the alignment',
    paper: 0.1,
    of: lpr(({ alignmentWeight }) => alignmentWeight),
    why: "the paper's text says 0.05, and so do the released configs of DeepSeek-V3 and Mixtral",
  },
  {
    name: 'unit-ball constraint',
    paper: 'true',
    of: lpr(({ unitBallConstraint }) => String(unitBallConstraint)),
    why: 'the released configs say false, and their code would only start prototypes on the sphere, as lpr does; rows of table 8 try both',
  },
  { name: 'Adam: beta 1', paper: 0.9, of: () => ADAMW_DEFAULTS.beta1 },
  { name: 'Adam: beta 2', paper: 0.95, of: () => ADAMW_DEFAULTS.beta2 },
  { name: 'sequence length', paper: 1024, of: ({ settings }) => settings.data.sequenceLength },
  {
    name: 'training tokens',
    paper: '100M',
    of: ({ settings }) => formatShort(predictRun(settings).tokens),
    why: `the paper's text says 1B for table 1, which the presets train, and 100M for the others: \`reproduce\` trains their rows for ${ABLATION_STEPS} steps`,
  },
  { name: 'learning rate', paper: 0.001, of: ({ settings }) => settings.training.learningRate },
  { name: 'its smallest share', paper: 0.05, of: ({ settings }) => settings.training.minRatio },
  { name: 'warm-up', paper: '5 %', of: ({ settings }) => percent(settings.training.warmup) },
  { name: 'stable phase', paper: '75 %', of: ({ settings }) => percent(settings.training.stable) },
];

/** Of the group that only LPR has. */
function lpr(of: (options: NonNullable<Settings['lpr']>) => Value): (model: Model) => Value {
  return ({ settings }) => (settings.lpr === undefined ? NONE : of(settings.lpr));
}

/** A row for each hyperparameter; values of the three architectures are separated by slashes where they differ. */
export function hyperparameterTable(): Table {
  const models = (router: RouterName): Model[] =>
    COLUMNS.map((architecture) => {
      const preset = counterpartOf('paper/mixtral-lpr', architecture, router);
      const settings = resolveSettings({ preset, router, config: [], set: [] });
      return { settings, config: decoderConfig(settings, settings.size.vocabulary) };
    });
  const [own, released, corrected] = [models('top-k'), models('lpr-official'), models('lpr')];
  return {
    title: `Table 8: hyperparameters of the 0.6B models (${COLUMNS.join(' / ')})`,
    columns: [
      { key: 'name', title: '' },
      { key: 'paper', title: 'the paper' },
      { key: 'preset', title: 'presets paper/...' },
      { key: 'corrected', title: 'with --router lpr' },
      { key: 'why', title: 'why' },
    ],
    rows: HYPERPARAMETERS.map(({ name, paper, of, isOfOwnRouter, why }) => ({
      name,
      paper: joined(typeof paper === 'object' ? paper : [paper]),
      preset: joined((isOfOwnRouter ? own : released).map(of)),
      corrected: isOfOwnRouter ? '' : joined(corrected.map(of)),
      why: why ?? '',
    })),
    notes: [
      'The table of the paper has no line for layers: the released configs have 6. Presets with LPR are the released code; --router lpr puts the corrected formulation in its place.',
    ],
  };
}

/** One value where all are the same: "16 / 8 / 16". */
function joined(values: readonly Value[]): string {
  return new Set(values).size === 1 ? String(values[0]) : values.join(' / ');
}
