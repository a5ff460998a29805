/**
 * What a reader chooses: the model, its routers and how they train. All of it stands in the address of the page, where
 * anybody may have written anything: each field has the values that it can take, and what is none of them becomes the
 * nearest or the default.
 */

/** Those of a field; the first field of a record is its name in addresses. */
const CHOICES = {
  architecture: ['qwen3-moe', 'mixtral', 'deepseek-v3'],
  routers: ['both', 'lpr', 'own'],
  layers: [1, 2, 3, 4],
  experts: [4, 8, 16, 32, 64],
  topK: [1, 2, 4, 8],
  learningRate: [0.001, 0.003, 0.01, 0.03],
  temperature: [0.25, 0.5, 1, 2, 4, 8, 16],
  biasRate: [0, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064],
  diversity: [0, 0.25, 0.5, 1, 2, 4, 8],
  auxiliaryLoss: [0, 0.001, 0.01, 0.1],
  device: ['cpu', 'gpu'],
} as const;

type Choices = typeof CHOICES;
export type ChoiceField = keyof Choices;
export type NumberField = {
  [Field in ChoiceField]: Choices[Field][number] extends number ? Field : never;
}[ChoiceField];

/** What decides a training, besides its text. */
export interface Settings {
  readonly architecture: Choices['architecture'][number];
  /** Which of the two models train. */
  readonly routers: Choices['routers'][number];
  readonly layers: number;
  /** M, of each layer. */
  readonly experts: number;
  /** k, at most M. */
  readonly topK: number;
  readonly learningRate: number;
  /** LPR: factor of the scores before the softmax over the chosen. */
  readonly temperature: number;
  /** LPR: how far the selection bias of an expert moves after each step. */
  readonly biasRate: number;
  /** LPR: weight of the loss that spreads latents and prototypes. */
  readonly diversity: number;
  /** The own router: weight of its loss for balance. */
  readonly auxiliaryLoss: number;
  readonly device: Choices['device'][number];
  /** Of weights, batches and noise. */
  readonly seed: number;
}

/** What of the training is looked at. */
export interface View {
  /** Whose latent space and tokens are shown, from 0. */
  readonly layer: number;
  /** The token of the sample whose way is shown, from 0. */
  readonly token: number;
  /** The text whose tokens are followed. */
  readonly sample: string;
}

export interface PageState {
  readonly settings: Settings;
  readonly view: View;
  /** Whether the text is the reader's, which stays in their browser. */
  readonly ownText: boolean;
}

const MOST_SEED = 2 ** 31 - 1;
/** Characters. */
export const MOST_SAMPLE = 240;

export const DEFAULT_STATE: PageState = {
  settings: {
    architecture: 'qwen3-moe',
    routers: 'both',
    layers: 2,
    experts: 16,
    topK: 2,
    learningRate: 0.01,
    temperature: 2,
    biasRate: 0.008,
    diversity: 1,
    auxiliaryLoss: 0.001,
    device: 'cpu',
    seed: 0,
  },
  view: {
    layer: 0,
    token: 3,
    sample: 'The people of the United States will build new roads and schools, and keep the peace of the world.',
  },
  ownText: false,
};

/** All values that a field can take. */
export function choicesOf<Field extends ChoiceField>(field: Field): Choices[Field] {
  return CHOICES[field];
}

/** The settings with some of them changed, and those that no longer fit mended. */
export function withSettings(settings: Settings, changes: Partial<Settings>): Settings {
  const changed = { ...settings, ...changes };
  return { ...changed, topK: Math.min(changed.topK, changed.experts) };
}

/** The view with what is beyond the model's layers brought back. */
export function viewWithin(view: View, { layers }: Settings): View {
  return { ...view, layer: Math.min(view.layer, layers - 1) };
}

/** Names in addresses of what is no choice. */
const OTHERS = { seed: 'seed', layer: 'layer', token: 'token', sample: 'sample', text: 'text' } as const;
const nameOf = (field: ChoiceField): string => field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const FIELDS = Object.keys(CHOICES) as readonly ChoiceField[];

/** The query of an address that opens the page in a state, without what is as in the default; '' for that itself. */
export function queryOf({ settings, view, ownText }: PageState): string {
  const query = new URLSearchParams();
  const put = (name: string, value: string | number, usual: string | number): void => {
    if (value !== usual) query.set(name, String(value));
  };
  for (const field of FIELDS) put(nameOf(field), settings[field], DEFAULT_STATE.settings[field]);
  put(OTHERS.seed, settings.seed, DEFAULT_STATE.settings.seed);
  put(OTHERS.layer, view.layer, DEFAULT_STATE.view.layer);
  put(OTHERS.token, view.token, DEFAULT_STATE.view.token);
  put(OTHERS.sample, view.sample, DEFAULT_STATE.view.sample);
  if (ownText) query.set(OTHERS.text, 'own');
  return query.toString();
}

/** The state that a query asks for, whatever it holds. */
export function stateOf(query: string): PageState {
  const given = new URLSearchParams(query);
  const chosen = Object.fromEntries(
    FIELDS.map((field) => [field, choiceOf(field, given.get(nameOf(field)))]),
  ) as unknown as Omit<Settings, 'seed'>;
  const seed = wholeNumber(given.get(OTHERS.seed), MOST_SEED, DEFAULT_STATE.settings.seed);
  const settings = withSettings({ ...chosen, seed }, {});
  const { view } = DEFAULT_STATE;
  return {
    settings,
    view: viewWithin(
      {
        layer: wholeNumber(given.get(OTHERS.layer), 3, view.layer),
        token: wholeNumber(given.get(OTHERS.token), MOST_SAMPLE - 1, view.token),
        sample: sampleOf(given.get(OTHERS.sample) ?? view.sample),
      },
      settings,
    ),
    ownText: given.get(OTHERS.text) === 'own',
  };
}

/** A sample as it can be routed: not empty, and short. */
export function sampleOf(text: string): string {
  // Halves of characters could stand in no address.
  const whole = text.replaceAll(/\p{Surrogate}/gu, '\ufffd');
  const cut = Array.from(whole).slice(0, MOST_SAMPLE).join('');
  return cut.trim() === '' ? DEFAULT_STATE.view.sample : cut;
}

/** A seed that a reader typed. */
export function seedOf(text: string): number {
  return wholeNumber(text, MOST_SEED, DEFAULT_STATE.settings.seed);
}

function choiceOf(field: ChoiceField, text: string | null): string | number {
  const choices: readonly (string | number)[] = CHOICES[field];
  const usual = DEFAULT_STATE.settings[field];
  if (text === null || text.trim() === '') return usual;
  if (typeof usual === 'string') return choices.includes(text) ? text : usual;
  const value = Number(text);
  if (Number.isNaN(value)) return usual;
  const numbers = choices as readonly number[];
  // Beyond the ends, differences may be too large to tell apart.
  const within = Math.min(Math.max(value, Math.min(...numbers)), Math.max(...numbers));
  return numbers.reduce((best, each) => (Math.abs(each - within) < Math.abs(best - within) ? each : best));
}

function wholeNumber(text: string | null, most: number, usual: number): number {
  const value = text === null || text.trim() === '' ? Number.NaN : Math.round(Number(text));
  return Number.isNaN(value) ? usual : Math.min(most, Math.max(0, value));
}
