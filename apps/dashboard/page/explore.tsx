/** The router explorer: a text, and what the routers of one checkpoint or two make of each of its tokens. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import {
  MAX_TEXT_CHARACTERS,
  type RoutedText,
  type RouteRequest,
  type RunDetails,
  type RunSummary,
} from '../src/api.ts';
import { api, useJson, usePosted } from './fetching.ts';
import { whole } from './format.ts';
import { useRuns } from './live.ts';
import { useParameter, useParameters } from './navigation.tsx';
import { Problems } from './parts.tsx';
import { type Place, placesOf, writtenToken } from './places.ts';
import { Routed } from './routed.tsx';

const EXAMPLE = 'The state of our union is strong. We will build new roads and schools, and keep the peace.';
/** Models beside each other. */
const MOST_RUNS = 2;

export function Explore({ ids }: { ids: readonly string[] }): JSX.Element {
  const { runs } = useRuns();
  const [, setRuns] = useParameters('run');
  // What is in the address was routed; what is typed is not yet.
  const [given, give] = useParameter('text', '');
  const [typed, type] = useState(given === '' ? EXAMPLE : given);
  const [asked, ask] = useState(0);
  useEffect(() => {
    document.title = 'Explore routing · LPR dashboard';
  }, []);
  if (runs === undefined) return <p class="soft waiting">Reading the runs…</p>;
  const chosen = (
    ids.length === 0 ? runs.slice(0, 1) : ids.flatMap((id) => runs.find((run) => run.id === id) ?? [])
  ).slice(0, MOST_RUNS);
  const missing = ids.filter((id) => !runs.some((run) => run.id === id));
  const submit = (): void => {
    if (typed === '' || chosen.length === 0) return;
    give(typed);
    ask(asked + 1);
  };
  const [first, second] = chosen;
  return (
    <>
      <div class="heading">
        <h1>Explore routing</h1>
      </div>
      <p class="soft">
        Type a text to see which experts each of its tokens goes to, layer by layer, and why: all scores, and where it
        lies among the prototypes. Two models read it beside each other.
      </p>
      <form
        class="panel explore"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <div class="controls">
          <RunChoice
            name="Run"
            runs={runs}
            value={first?.id ?? ''}
            onChange={(id) => setRuns(second === undefined ? [id] : [id, second.id])}
          />
          {runs.length > 1 && first !== undefined && (
            <RunChoice
              name="Beside it"
              runs={runs.filter(({ id }) => id !== first.id)}
              value={second?.id ?? ''}
              none="no other"
              onChange={(id) => setRuns(id === '' ? [first.id] : [first.id, id])}
            />
          )}
        </div>
        <label class="block">
          Text
          <textarea
            rows={4}
            maxLength={MAX_TEXT_CHARACTERS}
            value={typed}
            onInput={({ currentTarget }) => type(currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
                event.preventDefault();
                submit();
              }
            }}
          />
        </label>
        <div class="controls">
          <button type="submit" disabled={first === undefined || typed === ''}>
            Route
          </button>
          <span class="soft">up to {whole(MAX_TEXT_CHARACTERS)} characters · Ctrl+Enter</span>
        </div>
        {first === undefined && missing.length === 0 && <p class="problem">There is no run to explore yet.</p>}
        <Problems problems={missing.map((id) => `There is no run “${id}” in this folder.`)} />
      </form>
      <Models key={chosen.map(({ id }) => id).join('\n')} runs={chosen} text={given} asked={asked} />
    </>
  );
}

function RunChoice({
  name,
  runs,
  value,
  none,
  onChange,
}: {
  name: string;
  runs: readonly RunSummary[];
  value: string;
  /** What the choice of no run is called, where there is one. */
  none?: string;
  onChange: (id: string) => void;
}): JSX.Element {
  return (
    <label>
      {name}{' '}
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {none !== undefined && <option value="">{none}</option>}
        {runs.map(({ id }) => (
          <option key={id} value={id}>
            {id}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The text in each model, at places that belong together. */
function Models({ runs, text, asked }: { runs: readonly RunSummary[]; text: string; asked: number }): JSX.Element {
  const models = [useModel(runs[0], text, asked), useModel(runs[1], text, asked)].slice(0, runs.length);
  const [layer, setLayer] = useParameter('layer', '0');
  const [token, setToken] = useParameter('token', '0');
  const [experts, setExperts] = useParameters('expert');
  const texts = models.map(({ routed }) => routed);
  const written = { layer: Number(layer), token: Number(token), experts: experts.map(Number) };
  const places = placesOf(texts, written);
  const go = (model: number, next: Partial<Place>): void => {
    if (next.layer !== undefined) setLayer(String(next.layer));
    if (next.token !== undefined) setToken(String(writtenToken(texts, model, next.token)));
    if (next.expert !== undefined) {
      setExperts(places.map(({ expert }, i) => String(i === model ? next.expert : expert)));
    }
  };
  return (
    <div class={models.length > 1 ? 'beside' : ''}>
      {models.map(({ routed, unavailable, error, isAsked }, i) => (
        <section key={runs[i]!.id} class="model" aria-label={`Routing by ${runs[i]!.id}`}>
          {models.length > 1 && <h2 class="group">{runs[i]!.id}</h2>}
          {unavailable !== null && <p class="problem">The explorer cannot open this run. {unavailable}</p>}
          {error !== undefined && <Problems problems={[error]} />}
          {isAsked && routed === undefined && error === undefined && <p class="soft waiting">Routing…</p>}
          {routed !== undefined && (
            <Routed run={runs[i]!} text={text} routed={routed} place={places[i]!} go={(next) => go(i, next)} />
          )}
        </section>
      ))}
    </div>
  );
}

interface Model {
  readonly routed: RoutedText | undefined;
  /** Why the run cannot be explored; null where it can. */
  readonly unavailable: string | null;
  readonly error: string | undefined;
  readonly isAsked: boolean;
}

function useModel(run: RunSummary | undefined, text: string, asked: number): Model {
  const { data: details } = useJson<RunDetails>(run === undefined ? null : api('run', { run: run.id }), run?.step);
  const unavailable = details?.explorer.unavailable ?? null;
  const isAsked = run !== undefined && details !== undefined && unavailable === null && text !== '';
  const request: RouteRequest | null = isAsked ? { run: run.id, text } : null;
  const { data: routed, error } = usePosted<RoutedText>('/api/route', request, asked);
  return { routed, unavailable, error, isAsked };
}
