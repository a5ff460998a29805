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

/** What a request that failed answers. */
export interface ApiError {
  readonly error: string;
}
