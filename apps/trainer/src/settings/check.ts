/**
 * Checks whole settings, as they are put together from presets, files and options, or were read from a run's folder.
 */
import { join } from 'node:path';
import { ConfigError, type DecoderPlan, decoderParameters, planDecoder } from '@lpr/model';
import { readConfig, RUN_FILES } from '@lpr/runs';
import { stepRules } from '@lpr/tensor/nn';
import { UsageError } from '../cli/errors.ts';
import { calibrationFaults } from './calibration.ts';
import { routerFileFaults } from './custom-routers.ts';
import { decoderConfig } from './decoder-config.ts';
import { withLaterSwitches, withTodaysNames } from './earlier.ts';
import { type Fault, faultsOf, faultsText, shown } from './faults.ts';
import { isGroup } from './merge.ts';
import { decidedFaults, decidedKeys, idleFaults, withoutIdlePresetKeys } from './model-keys.ts';
import { groupOf, isCustomName, isMethod, methodSchema, ROUTER_GROUPS, ROUTERS } from './routers.ts';
import { type Settings, settingsSchema } from './schema.ts';

/**
 * Settings in which everything fits.
 *
 * @param origin where they came from, for messages
 * @throws UsageError that lists every fault with its path
 */
export function checkSettings(value: unknown, origin: string): Settings {
  const foreign = foreignGroupFaults(value);
  if (foreign.length > 0) throw new UsageError(faultsText(origin, foreign));
  const parsed = settingsSchema.safeParse(value);
  if (!parsed.success) throw new UsageError(faultsText(origin, faultsOf(parsed.error, settingsSchema, value)));
  const settings = parsed.data;
  const ofFile = routerFileFaults(settings);
  if (ofFile.length > 0) throw new UsageError(faultsText(origin, ofFile));
  const faults = [...routerFaults(settings), ...sizeFaults(settings)];
  if (faults.length === 0) faults.push(...modelFaults(settings));
  if (faults.length > 0) throw new UsageError(faultsText(origin, faults));
  return settings;
}

/** The settings of an existing run. */
export async function readSettings(folder: string): Promise<Settings> {
  return checkStoredSettings(await readConfig(folder), join(folder, RUN_FILES.config));
}

/** Settings that a run wrote, perhaps before some of today's fields were there. */
export function checkStoredSettings(stored: unknown, origin: string): Settings {
  if (!isGroup(stored)) return checkSettings(stored, origin);
  const value = withLaterSwitches(withTodaysNames(stored));
  const data = value['data'];
  if (!isGroup(data) || !('corpus' in data)) return checkSettings(withoutIdlePresetKeys(value), origin);
  const { corpus, ...rest } = data;
  if (corpus !== 'state-of-the-union') {
    throw new UsageError(
      `${origin}: data.corpus names text files as earlier versions read them: a document each. They are cut into documents now, so the run cannot go ` +
        'on or be evaluated on the same text; start it anew with data.sources',
    );
  }
  return checkSettings(withoutIdlePresetKeys({ ...value, data: { ...rest, sources: [{ type: corpus }] } }), origin);
}

/** A group that the router does not read is most likely half of what was meant, so nothing else is said then. */
function foreignGroupFaults(value: unknown): Fault[] {
  if (!isGroup(value)) return [];
  const name = value['router'];
  const router = ROUTERS.find((known) => known === name) ?? (isCustomName(name) ? name : undefined);
  if (router === undefined) return [];
  const foreign = ROUTER_GROUPS.filter((group) => group !== groupOf(router) && value[group] !== undefined);
  return foreign.map((group) => ({
    path: group,
    problem: `the router ${router} does not read this group; leave it out or name another router`,
  }));
}

function routerFaults(settings: Settings): Fault[] {
  const { router, method } = settings;
  const own = groupOf(router);
  if (own !== null && settings[own] === undefined)
    return [{ path: own, problem: `the router ${router} needs this group` }];
  if (!isMethod(router)) return [];
  // Only here is it known which method it is.
  const schema = methodSchema(router);
  const parsed = schema.safeParse(method);
  if (parsed.success) return [];
  return faultsOf(parsed.error, schema, method).map(({ path, problem }) => ({
    path: path === '' ? 'method' : `method.${path}`,
    problem,
  }));
}

/** What the batches of a step, which are all made before it is taken, may take together. */
const MOST_STEP_BYTES = 2 ** 30;

/** What a batch takes besides its tokens, each of which is an input and a target of 4 bytes. */
const BATCH_BYTES = 512;

function sizeFaults(settings: Settings): Fault[] {
  const { size, data, training, evaluation } = settings;
  const faults: Fault[] = [];
  const check = (holds: boolean, path: string, problem: string): void => {
    if (!holds) faults.push({ path, problem });
  };
  check(
    size.topK <= size.experts,
    'size.topK',
    `got ${size.topK}, but there are only ${size.experts} experts; lower it or raise size.experts`,
  );
  check(
    size.heads % size.keyValueHeads === 0,
    'size.heads',
    `got ${size.heads}, which must be a multiple of size.keyValueHeads (${size.keyValueHeads})`,
  );
  check(size.headDim % 2 === 0, 'size.headDim', `got ${size.headDim}; rotary embedding needs an even number`);
  check(
    training.schedule !== 'warmupStableDecay' || training.warmup + training.stable <= 1,
    'training',
    `warmup (${training.warmup}) and stable (${training.stable}) are shares of the steps, together at most 1`,
  );
  const stepBytes = training.accumulation * (BATCH_BYTES + 8 * data.batchSize * data.sequenceLength);
  check(
    stepBytes <= MOST_STEP_BYTES,
    'training.accumulation',
    `got ${training.accumulation}, which makes the batches of a step, with data.batchSize ${data.batchSize} and ` +
      `data.sequenceLength ${data.sequenceLength}, take ${(stepBytes / 2 ** 30).toPrecision(3)} GiB of memory, ` +
      `expected at most ${MOST_STEP_BYTES / 2 ** 30}; lower one of the three`,
  );
  const { from } = settings;
  check(
    from === undefined || data.tokenizer !== 'train',
    'data.tokenizer',
    `got train, but the weights in ${from} are of the tokens of a tokenizer that is there already, which does not lie with them; name it: {path: tokenizer.json}`,
  );
  const lengths = [...(training.lengthened ?? []), { steps: training.steps, until: training.steps }];
  const disordered = lengths.findIndex(
    ({ steps, until }, i) =>
      until > steps || (i > 0 && (steps <= lengths[i - 1]!.steps || until < lengths[i - 1]!.until)),
  );
  check(
    disordered < 0,
    'training.lengthened',
    `got ${shown(training.lengthened)} before ${training.steps} steps; each time there must be more steps than before, and no more done than it was to have`,
  );
  const weightless = data.sources.findIndex(({ weight }) => weight === undefined);
  check(
    weightless < 0 || data.sources.every(({ weight }) => weight === undefined),
    `data.sources.${weightless}.weight`,
    'got nothing, but another source has a weight; give every source one, or none to mix them in proportion to their tokens',
  );
  check(
    data.heldOutFraction > 0 || evaluation.sources.length > 0,
    'data.heldOutFraction',
    'got 0, so there is nothing to evaluate on; raise it or give evaluation.sources',
  );
  check(
    evaluation.patience === null || evaluation.every !== null,
    'evaluation.patience',
    'needs evaluations to wait for; set evaluation.every',
  );
  return faults;
}

/** What the architecture's own checks say, which also see the group `model`, and groups of parameters that are none. */
function modelFaults(settings: Settings): Fault[] {
  const decided = decidedFaults(settings);
  if (decided.length > 0) return decided;
  try {
    const config = decoderConfig(settings, settings.size.vocabulary);
    const plan = planDecoder(config);
    if (settings.router !== 'dense' && plan.layers.every(({ feedForward }) => feedForward.kind !== 'moe')) {
      return [
        {
          path: 'model',
          problem: `leaves no layer with experts, so there is nothing to route: got ${shown(settings.model)}`,
        },
      ];
    }
    const calibration = calibrationFaults(settings, plan);
    if (calibration.length > 0) return calibration;
    const groups = groupFaults(settings, plan);
    if (groups.length > 0) return groups;
    return idleFaults(settings, config);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message.split('\n').map((line) => settingFault(line.replace(/^config: /, ''), settings));
  }
}

/** Groups of parameters that name none of the model's. */
function groupFaults({ training }: Settings, plan: DecoderPlan): Fault[] {
  const parameters = decoderParameters(plan).map(({ name }) => name);
  const { weightDecayGroups, learningRateGroups = [] } = training;
  return Object.entries({ weightDecayGroups, learningRateGroups }).flatMap(([key, groups]) => {
    try {
      stepRules(parameters, { weightDecay: 0, weightDecayGroups: [], [key]: groups });
      return [];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return [{ path: `training.${key}`, problem: error.message }];
    }
  });
}

/** A fault of a key of `config.json`, under the path of the setting that it comes from. */
function settingFault(problem: string, { architecture, model }: Settings): Fault {
  const key = /^\w+/.exec(problem)?.[0] ?? '';
  if (Object.hasOwn(model, key)) return { path: '', problem: `model.${problem}` };
  const decided = decidedKeys(architecture);
  return Object.hasOwn(decided, key)
    ? { path: decided[key]!, problem: problem.slice(key.length).replace(/^: /, '') }
    : { path: '', problem };
}
