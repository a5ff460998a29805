/**
 * Live progress on stderr: on a terminal one status line that is rewritten, elsewhere plain `key=value` lines, so that
 * logs stay readable and stdout is left to results.
 */
import { formatMeasure, type Measures, shownMeasures } from '@lpr/report/tables';
import { type EvaluationLine, hasCode } from '@lpr/runs';
import type { StepProgress } from '@lpr/train';

export interface Progress {
  /** Something that lasts begins: "training the tokenizer"; the detail says how far it has come. */
  phase(text: string, detail?: string): void;
  step(run: string, steps: number, progress: StepProgress): void;
  evaluation(run: string, done: number, total: number): void;
  /** What an evaluation gave. */
  evaluated(run: string, line: EvaluationLine): void;
  /** A message that stays. */
  note(text: string): void;
  /** Leaves the terminal clean. */
  end(): void;
}

/** What progress is written to: `process.stderr`, or something like it. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/**
 * Keeps a run going when nobody reads what it prints any more (`| head`, a closed terminal): it has files of its own.
 * Results that cannot be written for another reason, as on a full disk, are an error.
 */
export function outliveReaders(results: NodeJS.EventEmitter, progress: NodeJS.EventEmitter): void {
  progress.on('error', () => {});
  results.on('error', (error: Error) => {
    // A pipe without a reader, a terminal that is gone.
    if (hasCode(error, 'EPIPE') || hasCode(error, 'EIO')) return;
    console.error(`error: the results cannot be written (${error.message})`);
    process.exitCode = 1;
  });
}

/** On a terminal the line is rewritten at most this often, in milliseconds. */
const REFRESH = 100;

export function createProgress(stream: ProgressStream, environment: NodeJS.ProcessEnv): Progress {
  return stream.isTTY ? terminalProgress(stream, environment) : plainProgress(stream);
}

function terminalProgress(stream: ProgressStream, { NO_COLOR }: NodeJS.ProcessEnv): Progress {
  const dim = (text: string): string => (NO_COLOR ? text : `\u001B[2m${text}\u001B[22m`);
  const timeLeft = smoothedTimeLeft();
  let shownAt = 0;
  let shown = false;
  const clear = (): void => {
    if (shown) stream.write('\r\u001B[K');
    shown = false;
  };
  const show = (parts: readonly string[], force = false): void => {
    const now = performance.now();
    if (!force && now - shownAt < REFRESH) return;
    shownAt = now;
    clear();
    // Some terminals say that they have no columns: they do not know.
    const line = parts.join('  ').slice(0, (stream.columns || 80) - 1);
    stream.write(dim(line));
    shown = true;
  };
  return {
    phase: (text, detail) => show(detail === undefined ? [text] : [text, detail], detail === undefined),
    step(run, steps, progress) {
      show(
        [
          run,
          `${progress.report.step}/${steps}`,
          `loss ${progress.report.loss.toFixed(3)}`,
          ...balanceOf(progress).map(([name, value]) => `${name} ${value}`),
          `${timeLeft(run, steps, progress)} left`,
          // What a narrow terminal cuts off first.
          `${(progress.tokensPerSecond / 1000).toFixed(1)}k tokens/s`,
        ],
        progress.report.step === steps,
      );
    },
    evaluation: (run, done, total) => show([run, `evaluating ${Math.round((100 * done) / total)}%`], done >= total),
    evaluated(run, line) {
      clear();
      stream.write(`${evaluationText(run, line)}\n`);
    },
    note(text) {
      clear();
      stream.write(`${text}\n`);
    },
    end: clear,
  };
}

function plainProgress(stream: ProgressStream): Progress {
  const line = (text: string): void => {
    stream.write(`${text}\n`);
  };
  const timeLeft = smoothedTimeLeft();
  let lastWindow: readonly [run: string, windows: number] = ['', 0];
  let lastPhase = '';
  return {
    phase(text) {
      if (text !== lastPhase) line(text);
      lastPhase = text;
    },
    step(run, steps, progress) {
      // A line for each logging window.
      const { report, windows } = progress;
      if (windows === (run === lastWindow[0] ? lastWindow[1] : 0)) return;
      lastWindow = [run, windows];
      const fields: [string, string][] = [
        ['run', run],
        ['step', `${report.step}/${steps}`],
        ['loss', report.loss.toFixed(4)],
        ...balanceOf(progress),
        ['tokens/s', String(Math.round(progress.tokensPerSecond))],
        ['left', timeLeft(run, steps, progress)],
      ];
      line(fields.map(([key, value]) => `${key}=${value}`).join(' '));
    },
    // What comes of it is said at its end.
    evaluation() {},
    evaluated: (run, evaluation) => line(evaluationText(run, evaluation)),
    note: line,
    end() {},
  };
}

function evaluationText(run: string, { step, loss, domains, evaluatedTokens, balance }: EvaluationLine): string {
  const names = Object.entries(domains);
  const fields: [string, string][] = [
    ['run', run],
    ['step', String(step)],
    ['held-out-loss', loss.toFixed(4)],
    ...(names.length < 2 ? [] : names.map(([name, each]): [string, string] => [`loss/${name}`, each.loss.toFixed(4)])),
    ['tokens', String(evaluatedTokens)],
    ...(balance === null ? [] : balanceFields(balance.mean)),
  ];
  return fields.map(([key, value]) => `${key}=${value}`).join(' ');
}

function balanceOf({ balance }: StepProgress): [string, string][] {
  return balance === null ? [] : balanceFields(balance.mean);
}

function balanceFields(mean: Measures): [string, string][] {
  return shownMeasures('short').map(({ key, title, decimals }) => {
    const value = mean[key] ?? null;
    return [title.toLowerCase(), value === null ? 'none' : formatMeasure(value, decimals)];
  });
}

/** What a new window counts for in the speed that the time left is told by: one alone may have been disturbed. */
const NEWEST = 0.2;

/** Tells how long a run has left, by the speed of its windows so far. */
function smoothedTimeLeft(): (run: string, steps: number, progress: StepProgress) => string {
  /** Seconds a token. */
  let pace = 0;
  let seen: readonly [run: string, windows: number] = ['', 0];
  return (run, steps, { report, windows, tokensPerSecond }) => {
    const isFirst = run !== seen[0] || windows <= 1;
    if (isFirst || !Number.isFinite(pace)) pace = 1 / tokensPerSecond;
    else if (windows !== seen[1]) pace += NEWEST * (1 / tokensPerSecond - pace);
    seen = [run, windows];
    return formatSeconds(Math.max(0, steps - report.step) * report.tokens * pace);
  };
}

/** "45s", "3m05s", "2h10m", "9d04h" */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const padded = (value: number): string => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m${padded(whole % 60)}s`;
  const hours = Math.floor(whole / 3600);
  if (hours < 48) return `${hours}h${padded(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(hours / 24)}d${padded(hours % 24)}h`;
}
