/** The page: its settings, the two models, and how they do. */
import { toggleTheme } from '@lpr/dashboard/page/theme';
import { type JSX, render } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { PAUSE_EVERY, type PlaygroundState } from '../src/playground.ts';
import { missingIn } from '../src/problems.ts';
import { type PageState, sampleOf, type Settings, type View, viewWithin, withSettings } from '../src/settings.ts';
import { sideColour } from './colours.ts';
import { Controls } from './controls.tsx';
import { Curves } from './curves.tsx';
import { playground, usePlayground } from './driver.ts';
import { ModelPanel } from './model-panel.tsx';
import { architectureName, shortName, sideName } from './names.ts';
import { Sample } from './sample.tsx';
import { rememberState, stateOfAddress, storedText, storeText } from './store.ts';
import { TextChoice } from './text-choice.tsx';

/** The text that the page opens with; the bundler puts it here. */
declare const ADDRESSES: string;

const ICON = new URL('./icon.svg', import.meta.url).href;

/** Milliseconds that a slider rests before the models are made anew. */
const REST = 200;

const missing = missingIn(globalThis);
const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
const hasGpu = 'gpu' in navigator;

function App(): JSX.Element {
  const [page, setPage] = useState<PageState>(stateOfAddress);
  const [own, setOwn] = useState<string | null>(() => (page.ownText ? storedText() : null));
  const state = usePlayground();
  const { settings, view } = page;
  /** Whether it is to train once it is open. */
  const running = useRef(!still);
  const { architecture } = settings;

  useEffect(() => rememberState(page), [page]);
  const text = own ?? ADDRESSES;
  const first = useRef(true);
  // Before anything else can be clicked.
  useLayoutEffect(() => {
    if (missing !== null) return undefined;
    const open = (): void => void playground.open({ settings, text, sample: sampleOf(view.sample) }, running.current);
    if (first.current) {
      first.current = false;
      open();
      return undefined;
    }
    playground.leave();
    const timer = setTimeout(open, REST);
    return () => clearTimeout(timer);
  }, [settings, text]);

  const change = (changes: Partial<Settings>): void => {
    setPage((before) => {
      const changed = withSettings(before.settings, changes);
      return { ...before, settings: changed, view: viewWithin(before.view, changed) };
    });
  };
  const changeView = (changes: Partial<View>): void => {
    setPage((before) => ({ ...before, view: { ...before.view, ...changes } }));
    if (changes.sample !== undefined) void playground.look(sampleOf(changes.sample));
  };
  const changeText = (next: string | null): void => {
    storeText(next);
    setOwn(next);
    setPage((before) => ({ ...before, ownText: next !== null }));
  };
  const reset = (): void => void playground.open({ settings, text, sample: sampleOf(view.sample) }, running.current);

  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="top">
        <span class="brand">
          <img src={ICON} alt="" width="24" height="24" />
          LPR <span class="soft folder">playground</span>
        </span>
        <Transport
          state={state}
          onRun={(run) => {
            running.current = run;
            if (run) playground.start();
            else playground.pause();
          }}
          onReset={reset}
        />
        <span class="grow" />
        <Share />
        <button type="button" class="quiet theme" onClick={toggleTheme}>
          <span class="in-dark">Light</span>
          <span class="in-light">Dark</span>
        </button>
      </header>
      <main id="content" tabIndex={-1}>
        <div class="lead">
          <h1>Who gets the work?</h1>
          <p>
            Two small language models learn a text, here in your browser. In each of their layers a router sends every
            token to {settings.topK} of {settings.experts} experts. Both start from the same weights and read the same
            batches; only their routers differ: <b>Latent Prototype Routing</b> (LPR), and the one that{' '}
            {architectureName(architecture)} has of its own.
          </p>
        </div>
        {missing !== null && (
          <p class="problem" role="alert">
            {missing}
          </p>
        )}
        {state.problem !== null && (
          <p class="problem" role="alert">
            {state.problem}
          </p>
        )}
        <div class="bench">
          <Controls settings={settings} hasGpu={hasGpu} onChange={change} />
          <div class="work">
            {state.sides.length === 0 && state.status === 'opening' && missing === null && (
              <p class="soft waiting">Reading the text, making the models…</p>
            )}
            {state.sides.length > 0 && (
              <>
                <div class={`sides ${state.status === 'opening' ? 'old' : ''}`}>
                  {state.sides.map((side) => (
                    <ModelPanel key={side.side} state={side} settings={settings} view={view} onView={changeView} />
                  ))}
                </div>
                <CurvesPanel state={state} settings={settings} />
                <Sample sides={state.sides} settings={settings} view={view} onView={changeView} />
              </>
            )}
            <TextChoice own={own} missing={page.ownText && own === null} onText={changeText} />
            <p class="hint about">
              {state.sides[0] !== undefined && `Each model is computed on ${state.sides[0].device}. `}
              {settings.device === 'gpu' &&
                'The GPU makes its programs at the first step, which takes longer than those that follow. '}
              {!crossOriginIsolated &&
                'This host sends no headers for cross-origin isolation, so each model has one thread. '}
              It pauses by itself every {PAUSE_EVERY.toLocaleString('en')} steps. Nothing that you type leaves your
              browser.
            </p>
          </div>
        </div>
      </main>
    </>
  );
}

function Transport({
  state: { status, step, stepsPerSecond },
  onRun,
  onReset,
}: {
  state: PlaygroundState;
  onRun: (run: boolean) => void;
  onReset: () => void;
}): JSX.Element {
  const isRunning = status === 'running';
  return (
    <div class="transport" role="group" aria-label="Training">
      <button
        type="button"
        class="primary"
        disabled={status === 'opening' || status === 'problem' || missing !== null}
        onClick={() => onRun(!isRunning)}
      >
        {isRunning ? 'Pause' : 'Start'}
      </button>
      <button type="button" disabled={status !== 'paused'} onClick={() => void playground.stepOnce()}>
        Step
      </button>
      <button type="button" disabled={status === 'opening' || missing !== null} onClick={onReset}>
        Reset
      </button>
      <span class="count">
        <b>step {step.toLocaleString('en')}</b>
        <span class="soft">{stepsPerSecond === null ? '' : ` ${stepsPerSecond.toFixed(0)} a second`}</span>
      </span>
    </div>
  );
}

function CurvesPanel({ state, settings }: { state: PlaygroundState; settings: Settings }): JSX.Element {
  const { sides, step } = state;
  const told = (of: (side: (typeof sides)[number]) => number | undefined): string =>
    sides.map((side) => `${sideName(side.side, settings)} ${of(side)?.toFixed(3) ?? 'none yet'}`).join(', ');
  return (
    <section class="panel">
      <div class="sides">
        <div>
          <h2>Loss</h2>
          <p class="hint">Cross entropy of each batch in nats a token; the line is smoothed.</p>
          <Curves
            label={`Loss over ${step} steps: ${told(({ progress }) => progress.smoothed.at(-1))}`}
            curves={sides.map(({ side, progress }) => ({
              name: shortName(side),
              colour: (theme) => sideColour(side, theme),
              values: progress.smoothed,
              raw: progress.losses,
            }))}
          />
        </div>
        <div>
          <h2>Gini of the load</h2>
          <p class="hint">0 where all get the same, mean of the layers; by chance: with fair dice.</p>
          <Curves
            label={`Gini over ${step} steps: ${told(({ progress }) => progress.ginis.at(-1))}`}
            share
            curves={sides.map(({ side, progress }) => ({
              name: shortName(side),
              colour: (theme) => sideColour(side, theme),
              values: progress.ginis,
            }))}
            levels={[{ name: 'by chance', value: sides[0]!.floor }]}
          />
        </div>
      </div>
    </section>
  );
}

/** Copies the link that opens the page as it is. */
function Share(): JSX.Element {
  const [said, say] = useState('');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(location.href);
      say('Link copied');
    } catch {
      say('The address bar has the link');
    }
    setTimeout(() => say(''), 3000);
  };
  return (
    <>
      <span class="soft said" role="status">
        {said}
      </span>
      <button type="button" class="quiet" onClick={() => void copy()}>
        Copy link
      </button>
    </>
  );
}

render(<App />, document.getElementById('app')!);
