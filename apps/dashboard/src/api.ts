/** What the server tells the page; both sides are held to these types. */
import type { EvaluationLine, LoadsInfo, Measures, RunFacts, RunNote } from '@lpr/runs/browser';

export type { LoadsInfo, RunNote, Series, SeriesFile } from '@lpr/runs/browser';

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
  /**
   * The newest measures; null where none was recorded. The balance of a finished run is held-out, else the window's.
   */
  readonly measures: {
    readonly loss: number | null;
    /** On held-out text. */
    readonly testLoss: number | null;
    readonly balance: Measures;
    /** Which of the two it is. */
    readonly balanceText: 'held-out' | 'training';
    readonly tokensPerSecond: number | null;
  };
  /** Loss and the lead measure of balance over the steps, at most `SPARKLINE_POINTS` means. */
  readonly sparklines: { readonly loss: readonly number[]; readonly balance: readonly number[] };
  /** What people call it. */
  readonly tags: readonly string[];
  /** How its note begins, of at most `NOTE_START` characters; '' where it has none. */
  readonly noteStart: string;
  /** What is wrong with its files, a sentence each. */
  readonly problems: readonly string[];
}

export const NOTE_START = 200;
export const SPARKLINE_POINTS = 48;

/** `/api/runs`, and each `runs` event: those that changed, and the ids of those that are gone. */
export interface RunList {
  /** The served folder, as the command line named it. */
  readonly folder: string;
  readonly runs: readonly RunSummary[];
  readonly gone: readonly string[];
}

/** `/api/settings`: of every run, by its id; the path of each value has the same place in `paths`. */
export interface AllSettings {
  readonly paths: readonly string[];
  /** null where a run does not have the setting. */
  readonly runs: Readonly<Record<string, readonly (string | null)[]>>;
}

/** A line of `evaluations.jsonl`; the loads only of the newest. */
export interface Evaluation extends Omit<EvaluationLine, 'counts'> {
  /** `[layers][experts]` */
  readonly counts: EvaluationLine['counts'] | null;
}

/** `/api/run?run=ID` */
export interface RunDetails {
  readonly summary: RunSummary;
  readonly facts: RunFacts;
  /** Settings by their path, as in `config.yaml`. */
  readonly settings: readonly (readonly [path: string, value: string])[];
  readonly note: RunNote;
  /** null where it has none. */
  readonly loads: LoadsInfo | null;
  readonly evaluations: readonly Evaluation[];
  /** Steps at which a routing trace was written, ascending; `/api/trace?run=ID&step=STEP` is its file. */
  readonly traces: readonly number[];
  /** Files that can be downloaded, with their bytes. */
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
  /** Why the router explorer cannot open this run; null where it can. */
  readonly explorer: { readonly step: number | null; readonly unavailable: string | null };
}

/** Body of `POST /api/note`, which answers with the note as it is kept. */
export interface NoteRequest {
  readonly run: string;
  readonly note: RunNote;
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

/** Body of `POST /api/look`: a place in a text that was routed. */
export interface LookRequest extends RouteRequest {
  /** Index into `layers` of the routed text, of a token, and of an expert. */
  readonly layer: number;
  readonly token: number;
  readonly expert: number;
}

/** What a router computed on its way to the choices; numbers that do not exist are null. */
export interface RoutedPlace {
  /** `[layers][experts]` of the token: scores, larger is better. */
  readonly scores: readonly (readonly (number | null)[])[];
  /** The same of what experts were chosen by, with the selection bias and the groups. */
  readonly selection: readonly (readonly (number | null)[])[];
  /** Of all tokens and prototypes of the layer, on two directions; null where the router has no latent space. */
  readonly plane: {
    readonly points: readonly (readonly number[])[];
    readonly prototypes: readonly (readonly number[])[];
    /** null where all are equal. */
    readonly explained: readonly (number | null)[];
  } | null;
  /** Tokens of which the layer's expert is surest, at most `SUREST`. */
  readonly surest: readonly {
    readonly token: number;
    readonly score: number | null;
    /** How far it is chosen ahead of the best expert that was not; null where the largest do not decide. */
    readonly lead: number | null;
    readonly chosen: boolean;
  }[];
}

export const SUREST = 12;

/** `/api/expert?run=ID&layer=INDEX&expert=INDEX`: what is known of the life of an expert. */
export interface ExpertLife {
  /** From the exact loads of training; null where there is no whole window. */
  readonly training: {
    readonly windows: number;
    /** The newest step. */
    readonly step: number;
    /** The last window in which it got a token; null where it never did. */
    readonly last: {
      readonly after: number;
      readonly step: number;
      readonly load: number;
      readonly tokens: number;
    } | null;
    /** Tokens that went elsewhere since. */
    readonly tokensSince: number;
  } | null;
  /** From the traces of evaluations; null where there is none. */
  readonly heldOut: {
    readonly traces: number;
    /** Of the newest trace. */
    readonly step: number;
    /** The last trace in which it got a token; null where it got none in any that was read. */
    readonly last: {
      readonly step: number;
      readonly tokens: number;
      readonly of: number;
      /** Those that it got most often first; ids where the run has no tokenizer. */
      readonly most: readonly { readonly text: string; readonly count: number }[];
    } | null;
  } | null;
}

/** What a request that failed answers. */
export interface ApiError {
  readonly error: string;
}
