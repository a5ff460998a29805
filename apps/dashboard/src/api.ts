/** What the server tells the page; both sides are held to these types. */

/** 'running': a process works on it. 'finished': it was evaluated to its end. 'stopped': neither. */
export type RunStatus = 'running' | 'finished' | 'stopped';

/** What the overview shows of a run. */
export interface RunSummary {
  /** Path below the served folder, parts joined by '/'; '.' for the folder itself. */
  readonly id: string;
  readonly name: string;
  /** Folder that the run lies in, such as a comparison; '' directly below the served folder. */
  readonly group: string;
  readonly status: RunStatus;
  /** False while its files are read for the first time. */
  readonly read: boolean;
  readonly architecture: string | null;
  readonly router: string | null;
  readonly seed: number | null;
  /** Of the last line of metrics. */
  readonly step: number;
  readonly totalSteps: number | null;
  /** When its metrics last changed, milliseconds since 1970. */
  readonly updatedAt: number;
  /** The newest figures; null where none was recorded. `testLoss` and the balance of a finished run are held-out. */
  readonly figures: Readonly<Record<Figure, number | null>>;
  /** Loss and Gini over the steps, at most `SPARKLINE_POINTS` means. */
  readonly sparklines: { readonly loss: readonly number[]; readonly gini: readonly number[] };
  /** What is wrong with its files, a sentence each. */
  readonly problems: readonly string[];
}

export type Figure = 'loss' | 'testLoss' | 'gini' | 'minMax' | 'maxVio' | 'tokensPerSecond';

export const SPARKLINE_POINTS = 48;

/** `/api/runs`, and each `runs` event: those that changed, and the ids of those that are gone. */
export interface RunList {
  /** The served folder, as the command line named it. */
  readonly folder: string;
  readonly runs: readonly RunSummary[];
  readonly gone: readonly string[];
}

/** Where the loads of a run are; null where it has none. */
export interface LoadsInfo {
  readonly layers: number;
  readonly experts: number;
  readonly topK: number;
  /** Whole records in the file. */
  readonly windows: number;
  /** Tokens of the first window, and so of all but the last; 0 before there is one. */
  readonly windowTokens: number;
}

/** The figures of a finished model, or one line of `evaluations.jsonl`; fields that are no numbers are null. */
export interface Evaluation {
  readonly step: number | null;
  readonly tokens: number | null;
  readonly final: boolean;
  readonly loss: number | null;
  readonly gini: number | null;
  readonly minMax: number | null;
  readonly maxVio: number | null;
  readonly mutualInformation: number | null;
  readonly domains: Readonly<Record<string, { readonly loss: number | null; readonly tokens: number | null }>>;
  /** `[layers][experts]`; only of the finished model. */
  readonly counts: readonly (readonly number[])[] | null;
}

/** `/api/run?run=ID` */
export interface RunDetails {
  readonly summary: RunSummary;
  /** Settings by their path, as in `config.yaml`. */
  readonly settings: readonly (readonly [path: string, value: string])[];
  readonly loads: LoadsInfo | null;
  readonly evaluations: readonly Evaluation[];
  /** Steps at which a routing trace was written, ascending; `/api/trace?run=ID&step=STEP` is its file. */
  readonly traces: readonly number[];
  /** Files that can be downloaded, with their bytes. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Why the router explorer cannot open this run; null where it can. */
  readonly explorer: { readonly step: number | null; readonly unavailable: string | null };
}

/** One recorded figure over the steps. */
export interface Series {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** `/api/series?run=ID&points=N&from=STEP` */
export interface SeriesFile {
  /** Recorded values that one point is the mean of, at most; 1 where every value is there. */
  readonly valuesPerPoint: number;
  /**
   * By name: `loss`, `gini`, `worst.gini`, ...; `term.NAME` the weighted term summed over layers; `phase.PART` in
   * milliseconds; `memory.PLACE` in bytes; `norm.TERM.PART`.
   */
  readonly series: Readonly<Record<string, Series>>;
}

/** Body of `POST /api/route`. */
export interface RouteRequest {
  readonly run: string;
  readonly text: string;
}

/** Longest text that the explorer takes. */
export const MAX_TEXT_CHARACTERS = 2000;

/** How a checkpoint routes a text. */
export interface RoutedText {
  /** Training steps of the checkpoint. */
  readonly step: number;
  /** Numbers of the layers with experts. */
  readonly layers: readonly number[];
  readonly experts: number;
  /** Experts that a token may have at most. */
  readonly slots: number;
  readonly tokens: readonly { readonly id: number; readonly text: string }[];
  /** `[layers][tokens * slots]`; `experts` where a slot is empty. */
  readonly chosen: readonly (readonly number[])[];
  /** `[layers][tokens * slots]` */
  readonly weights: readonly (readonly number[])[];
  /** Tokens of the text that did not fit the model. */
  readonly cutTokens: number;
}

/** What a request that failed answers. */
export interface ApiError {
  readonly error: string;
}
