/** The settings of a run: their shape, how they are put together from a preset and options, and the checks before anything starts. */
import {
  type LatentPrototypeOptions,
  type LatentPrototypePreset,
  latentPrototypePresets,
  resolveLatentPrototype,
  resolveRouter,
  type RouterKind,
  routerMethods,
  routerTraits,
} from '@lpr/moe';
import { parse } from 'yaml';
import { prettifyError, z } from 'zod';
import { UsageError, unknownName } from './errors.ts';
import { PRESETS } from './presets.ts';

export const ARCHITECTURES = ['qwen3-moe', 'mixtral', 'deepseek-v3'] as const;
/** 'gpu-software' is a GPU that the CPU plays (SwiftShader, llvmpipe): very slow, to see that GPU code works. */
export const DEVICES = ['wasm', 'auto', 'gpu', 'gpu-software'] as const;
export type DeviceSetting = (typeof DEVICES)[number];

/** A method of @lpr/moe, by its name there. */
export type MethodName = Exclude<RouterKind, 'latentPrototype' | 'topKSoftmax'>;

const METHODS = Object.keys(routerMethods).filter(
  (kind): kind is MethodName => kind !== 'latentPrototype' && kind !== 'topKSoftmax',
);

export const ROUTERS: readonly RouterName[] = ['top-k', 'lpr', 'lpr-paper', 'lpr-official', ...METHODS];

export type Architecture = (typeof ARCHITECTURES)[number];
export type RouterName = 'top-k' | 'lpr' | 'lpr-paper' | 'lpr-official' | MethodName;

/** Which formulation of Latent Prototype Routing a router's name stands for. */
const FORMULATIONS: Readonly<Partial<Record<RouterName, LatentPrototypePreset>>> = {
  lpr: 'corrected',
  'lpr-paper': 'paper',
  'lpr-official': 'official',
};

/** Everything that decides a run; what `config.yaml` holds. */
export interface Settings {
  readonly architecture: Architecture;
  readonly router: RouterName;
  /** Of the architecture's own router: weight of the auxiliary load-balancing loss, pooled over layers as in Hugging Face transformers. */
  readonly balancing?: { readonly auxiliaryLoss: number } | undefined;
  /** Of latent routers: every switch of the formulation. */
  readonly lpr?: LatentPrototypeOptions | undefined;
  /** Of the other methods: every setting of the method. */
  readonly method?: Readonly<Record<string, unknown>> | undefined;
  /** Decides initial weights, data order and noise. */
  readonly seed: number;
  readonly device: DeviceSetting;
  /** Worker threads; null: as many as the machine has cores. */
  readonly threads: number | null;
  readonly size: {
    /** Tokens of the byte-level BPE that is trained on the training text. */
    readonly vocabulary: number;
    readonly hidden: number;
    readonly layers: number;
    readonly heads: number;
    readonly keyValueHeads: number;
    readonly headDim: number;
    readonly experts: number;
    /** Experts per token. */
    readonly topK: number;
    readonly expertWidth: number;
  };
  readonly data: {
    /** The addresses that come along, or the paths of text files. */
    readonly corpus: 'state-of-the-union' | readonly string[];
    readonly heldOutFraction: number;
    readonly batchSize: number;
    readonly sequenceLength: number;
  };
  readonly training: {
    readonly steps: number;
    /** Peak. */
    readonly learningRate: number;
    /** Shares of the steps; the rest is the decay. */
    readonly warmup: number;
    readonly stable: number;
    /** The schedule's smallest factor. */
    readonly minRatio: number;
    readonly weightDecay: number;
    readonly clipNorm: number;
    /** Steps in a logging window. */
    readonly logEvery: number;
    readonly checkpointEvery: number;
    readonly keepCheckpoints: number;
  };
  readonly evaluation: {
    /** Held-out tokens, at most. */
    readonly tokens: number;
    readonly batchSize: number;
  };
}

const positive = z.int().min(1);
const share = z.number().min(0).max(1);

const settingsSchema: z.ZodType<Settings> = z.strictObject({
  architecture: z.enum(ARCHITECTURES),
  router: z.enum(ROUTERS),
  balancing: z.strictObject({ auxiliaryLoss: z.number().min(0) }).optional(),
  lpr: z.custom<LatentPrototypeOptions>((value) => typeof value === 'object' && value !== null).optional(),
  method: z.record(z.string(), z.unknown()).optional(),
  seed: z.int().min(0),
  device: z.enum(DEVICES),
  threads: z.int().min(0).nullable(),
  size: z.strictObject({
    vocabulary: z.int().min(257),
    hidden: positive,
    layers: positive,
    heads: positive,
    keyValueHeads: positive,
    headDim: positive,
    experts: positive,
    topK: positive,
    expertWidth: positive,
  }),
  data: z.strictObject({
    corpus: z.union([z.literal('state-of-the-union'), z.array(z.string()).min(1)]),
    heldOutFraction: z.number().gt(0).lt(1),
    batchSize: positive,
    sequenceLength: positive,
  }),
  training: z.strictObject({
    steps: positive,
    learningRate: z.number().gt(0),
    warmup: share,
    stable: share,
    minRatio: share,
    weightDecay: z.number().min(0),
    clipNorm: z.number().gt(0),
    logEvery: positive,
    checkpointEvery: positive,
    keepCheckpoints: positive,
  }),
  evaluation: z.strictObject({ tokens: positive, batchSize: positive }),
});

/** What the command line says beyond the preset. */
export interface SettingOptions {
  readonly preset: string;
  readonly arch: string;
  readonly router: string;
  readonly seed: number;
  readonly device: string;
  readonly threads?: number;
  readonly steps?: number;
  /** `path=value` each, such as `size.experts=64`. */
  readonly set: readonly string[];
}

/**
 * The settings that a preset and options amount to.
 *
 * @throws UsageError that names the option, what it got and what it takes
 */
export function resolveSettings(options: SettingOptions): Settings {
  const preset = Object.entries(PRESETS).find(([name]) => name === options.preset)?.[1];
  if (preset === undefined) throw unknownName('preset', options.preset, Object.keys(PRESETS));
  checkKnown('architecture', options.arch, ARCHITECTURES);
  checkKnown('router', options.router, ROUTERS);
  checkKnown('device', options.device, DEVICES);
  const { description: _, ...sizes } = structuredClone(preset);
  const router = options.router as RouterName;
  // A hash table has a row for every token.
  const fitting = router === 'hash' ? { vocabulary: preset.size.vocabulary } : {};
  const method = isMethod(router) ? resolveRouter(router, fitting) : undefined;
  // A method that works with one number of experts a token only gets that.
  const onlyTopK = method === undefined ? null : routerTraits(method).onlyTopK;
  const settings = {
    architecture: options.arch,
    router: options.router,
    // DeepSeek-V3 balances by its selection bias instead.
    balancing: { auxiliaryLoss: options.arch === 'deepseek-v3' ? 0 : 0.001 },
    lpr: { ...latentPrototypePresets[FORMULATIONS[router] ?? 'corrected'] },
    ...(method === undefined ? {} : { method: withoutKind(method) }),
    seed: options.seed,
    device: options.device,
    threads: options.threads ?? null,
    ...sizes,
    size: { ...sizes.size, ...(onlyTopK === null ? {} : { topK: onlyTopK }) },
    training: { ...sizes.training, ...(options.steps === undefined ? {} : { steps: options.steps }) },
  };
  for (const assignment of options.set) assignSetting(settings, assignment);
  // The groups of both are there for --set, so that one command line serves all runs of a comparison; a run keeps its own.
  const groups = ['balancing', 'lpr', 'method'].filter((group) => group !== groupOf(router));
  return checkSettings(
    Object.fromEntries(Object.entries(settings).filter(([key]) => !groups.includes(key))),
    'settings',
  );
}

/** Which group holds the settings of a router. */
function groupOf(router: RouterName): 'balancing' | 'lpr' | 'method' {
  if (FORMULATIONS[router] !== undefined) return 'lpr';
  return isMethod(router) ? 'method' : 'balancing';
}

export function isMethod(router: RouterName): router is MethodName {
  return (METHODS as readonly string[]).includes(router);
}

function withoutKind(options: { readonly kind: string }): Record<string, unknown> {
  return Object.fromEntries(Object.entries(options).filter(([field]) => field !== 'kind'));
}

/**
 * Checks settings that were read from a file.
 *
 * @throws UsageError that lists every field in error
 */
export function checkSettings(value: unknown, origin: string): Settings {
  const parsed = settingsSchema.safeParse(value);
  if (!parsed.success) throw new UsageError(`${origin}:\n${prettifyError(parsed.error)}`);
  const { router, size, training, lpr } = parsed.data;
  const fail = (problem: string): never => {
    throw new UsageError(`${origin}: ${problem}`);
  };
  const group = groupOf(router);
  if (parsed.data[group] === undefined) fail(`the router ${router} needs the group ${group}`);
  const formulation = FORMULATIONS[router];
  if (formulation !== undefined) resolveLatentPrototype(formulation, lpr);
  if (isMethod(router)) resolveRouter(router, parsed.data.method);
  if (size.topK > size.experts) {
    fail(`size.topK is ${size.topK}, but there are only ${size.experts} experts; lower it or raise size.experts`);
  }
  if (size.heads % size.keyValueHeads !== 0) {
    fail(`size.heads (${size.heads}) must be a multiple of size.keyValueHeads (${size.keyValueHeads})`);
  }
  if (size.headDim % 2 !== 0) fail(`size.headDim is ${size.headDim}; rotary embedding needs an even number`);
  if (training.warmup + training.stable > 1) {
    fail(`training.warmup and training.stable are shares of the steps, together at most 1`);
  }
  return parsed.data;
}

function checkKnown(kind: string, given: string, known: readonly string[]): void {
  if (!known.includes(given)) throw unknownName(kind, given, known);
}

/** Sets one field by its path; the value is read as YAML, so that numbers, lists and null work. */
function assignSetting(settings: object, assignment: string): void {
  const at = assignment.indexOf('=');
  if (at < 1) throw new UsageError(`--set ${assignment}: expected path=value, such as --set size.experts=64`);
  const path = assignment.slice(0, at).split('.');
  let parent = settings as Record<string, unknown>;
  for (const [depth, key] of path.entries()) {
    if (!Object.hasOwn(parent, key)) {
      const known = Object.keys(parent).map((name) => [...path.slice(0, depth), name].join('.'));
      throw unknownName('setting', path.slice(0, depth + 1).join('.'), known);
    }
    const child = parent[key];
    const isGroup = typeof child === 'object' && child !== null && !Array.isArray(child);
    if (depth === path.length - 1) {
      if (isGroup) {
        throw new UsageError(
          `--set ${assignment}: ${path.join('.')} is a group; name one of ${Object.keys(child).join(', ')}`,
        );
      }
      parent[key] = parse(assignment.slice(at + 1));
    } else if (isGroup) {
      parent = child as Record<string, unknown>;
    } else {
      throw new UsageError(`--set ${assignment}: ${path.slice(0, depth + 1).join('.')} is no group of settings`);
    }
  }
}
