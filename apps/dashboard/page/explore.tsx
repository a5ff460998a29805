/** The router explorer: a text, and which experts of a checkpoint see each of its tokens. */
import { formatMeasure, routingStrip, routingStripRecord } from '@lpr/report';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { MAX_TEXT_CHARACTERS, type RoutedText, type RouteRequest, type RunDetails } from '../src/api.ts';
import { api, postJson, useJson } from './fetching.ts';
import { FigureView } from './figure.tsx';
import { whole } from './format.ts';
import { useRuns } from './live.ts';
import { navigate, pageOf } from './navigation.tsx';
import { Head, Problems } from './parts.tsx';

const EXAMPLE = 'The state of our union is strong. We will build new roads and schools, and keep the peace.';

export function Explore({ id }: { id: string | undefined }): JSX.Element {
  const { runs } = useRuns();
  const run = runs?.find((each) => each.id === (id ?? runs[0]?.id));
  const { data: details } = useJson<RunDetails>(run === undefined ? null : api('run', { run: run.id }), run?.step);
  const [text, setText] = useState(EXAMPLE);
  const [routed, setRouted] = useState<RoutedText | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const asking = useRef<AbortController | null>(null);
  useEffect(() => {
    document.title = 'Explore routing · LPR dashboard';
  }, []);
  useEffect(() => {
    setRouted(null);
    setError(null);
    return () => asking.current?.abort();
  }, [run?.id]);
  if (runs === undefined) return <p class="soft waiting">Reading the runs…</p>;

  const unavailable = details?.explorer.unavailable ?? null;
  const ask = async (): Promise<void> => {
    if (run === undefined || busy || unavailable !== null) return;
    asking.current?.abort();
    const own = new AbortController();
    asking.current = own;
    setBusy(true);
    try {
      setRouted(await postJson<RoutedText>('/api/route', { run: run.id, text } satisfies RouteRequest, own.signal));
      setError(null);
    } catch (problem) {
      if (!own.signal.aborted) setError(problem instanceof Error ? problem.message : String(problem));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <div class="heading">
        <h1>Explore routing</h1>
      </div>
      <p class="soft">Type a text to see which experts of a checkpoint each of its tokens goes to, layer by layer.</p>
      <form
        class="panel explore"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <label>
          Run{' '}
          <select
            value={run?.id}
            onChange={({ currentTarget }) => navigate(pageOf('explore', [currentTarget.value]), { replace: true })}
          >
            {runs.map(({ id: each }) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
        <label class="block">
          Text
          <textarea
            rows={4}
            maxLength={MAX_TEXT_CHARACTERS}
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
                event.preventDefault();
                void ask();
              }
            }}
          />
        </label>
        <div class="controls">
          <button type="submit" disabled={run === undefined || unavailable !== null || text === '' || busy}>
            {busy ? 'Routing…' : 'Route'}
          </button>
          <span class="soft">
            {details?.explorer.step == null
              ? `up to ${whole(MAX_TEXT_CHARACTERS)} characters`
              : `checkpoint of step ${whole(details.explorer.step)} · Ctrl+Enter`}
          </span>
        </div>
        {run === undefined && <p class="problem">There is no run to explore yet.</p>}
        {unavailable !== null && <p class="problem">The explorer cannot open this run. {unavailable}</p>}
        {error !== null && <Problems problems={[error]} />}
      </form>
      {routed !== null && <Routed routed={routed} run={run?.name ?? ''} />}
    </>
  );
}

function Routed({ routed, run }: { routed: RoutedText; run: string }): JSX.Element {
  const [layer, setLayer] = useState(0);
  const [token, setToken] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const { tokens, layers, slots, experts } = routed;
  const at = Math.min(token, tokens.length - 1);
  const shown = Math.min(layer, layers.length - 1);
  const first = (index: number): number => routed.chosen[shown]![index * slots]!;
  const move = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, Home: -tokens.length, End: tokens.length };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(tokens.length - 1, at + step));
    setToken(next);
    list.current?.querySelectorAll<HTMLElement>('button')[next]?.focus();
  };
  return (
    <>
      <section class="panel">
        <h2>Tokens</h2>
        <div class="controls">
          <label>
            Coloured by the first expert of layer{' '}
            <select value={shown} onChange={({ currentTarget }) => setLayer(Number(currentTarget.value))}>
              {layers.map((number, i) => (
                <option key={number} value={i}>
                  {number}
                </option>
              ))}
            </select>
          </label>
        </div>
        <div
          class="tokens"
          ref={list}
          onKeyDown={move}
          role="toolbar"
          aria-label="Tokens; arrow keys move between them"
        >
          {tokens.map(({ text }, i) => (
            <button
              key={i}
              type="button"
              class="token"
              tabIndex={i === at ? 0 : -1}
              aria-pressed={i === at}
              style={{ '--hue': String(hueOf(first(i), experts)) }}
              onClick={() => setToken(i)}
              onMouseEnter={() => setToken(i)}
              onFocus={() => setToken(i)}
            >
              {text.replaceAll('\n', '↵') || '·'}
              <span class="unseen">, expert </span>
              <sub>{first(i) < experts ? first(i) : '–'}</sub>
            </button>
          ))}
        </div>
        {routed.cutTokens > 0 && (
          <p class="soft hint">
            The model sees {tokens.length} tokens at a time; the last {routed.cutTokens} of the text are left out.
          </p>
        )}
        <h3 aria-live="polite">
          Token {at + 1} of {tokens.length}: <code>{JSON.stringify(tokens[at]?.text)}</code>
        </h3>
        <TokenExperts routed={routed} token={at} />
      </section>
      <section class="panel">
        <h2>All tokens</h2>
        <FigureView
          make={() => routingStrip.picture(routingStripRecord(run, 'given', routed.step, stripOf(routed)))}
          inputs={[routed, run]}
        />
      </section>
    </>
  );
}

function TokenExperts({ routed, token }: { routed: RoutedText; token: number }): JSX.Element {
  const { layers, slots, experts, chosen, weights } = routed;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Experts of the token by layer">
      <table class="experts">
        <Head names={['Layer', 'Experts and their weights']} words={['Experts and their weights']} />
        <tbody>
          {layers.map((number, row) => (
            <tr key={number}>
              <th scope="row">{number}</th>
              <td class="text">
                {Array.from({ length: slots }, (_, slot) => {
                  const expert = chosen[row]![token * slots + slot]!;
                  const weight = weights[row]![token * slots + slot]!;
                  if (expert >= experts) return null;
                  return (
                    <span key={slot} class="expert" style={{ '--hue': String(hueOf(expert, experts)) }}>
                      <b>{expert}</b>
                      <span class="bar">
                        <span style={{ width: `${Math.min(100, Math.max(0, weight * 100))}%` }} />
                      </span>
                      {formatMeasure(weight, 2)}
                    </span>
                  );
                })}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The routed text as the figure takes it: a slot without an expert has weight 0 there. */
function stripOf({ layers, slots, tokens, chosen, weights }: RoutedText): Parameters<typeof routingStripRecord>[3] {
  const rows = (values: readonly number[]): number[][] =>
    tokens.map((_, token) => values.slice(token * slots, (token + 1) * slots));
  return {
    tokens: tokens.map(({ text }) => text),
    layers: layers.map((layer, row) => ({ layer, experts: rows(chosen[row]!), weights: rows(weights[row]!) })),
  };
}

/** Neighbouring experts get hues far apart, by the golden angle. */
function hueOf(expert: number, experts: number): number {
  return expert >= experts ? 0 : Math.round((expert * 137.508) % 360);
}
