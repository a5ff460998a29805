/** A text as one model routes it: its tokens, the way of one of them, and all that its routers computed for it. */
import { formatMeasure, routingStrip, routingStripRecord } from '@lpr/report';
import type { JSX } from 'preact';
import type { LookRequest, RoutedPlace, RoutedText } from '../src/api.ts';
import { ExpertPanel } from './expert-panel.tsx';
import { usePosted } from './fetching.ts';
import { FigureView } from './figure.tsx';
import { LayerPanel } from './layer-panel.tsx';
import type { LookedProps, RoutedProps } from './looked.ts';
import { TokenButtons } from './parts.tsx';
import { Head, Problems } from './parts.tsx';
import { ScoresPanel } from './scores-panel.tsx';

export function Routed(props: RoutedProps): JSX.Element {
  const { run, text, routed, place, go } = props;
  const asked: LookRequest = { run: run.id, text, ...place };
  const { data: found, request, error } = usePosted<RoutedPlace, LookRequest>('/api/look', asked, routed);
  // What is shown belongs together: until the new place is answered, all is of the old one.
  const isOfThis =
    request?.text === text && request.layer < routed.layers.length && request.token < routed.tokens.length;
  const looked: LookedProps | null =
    found === undefined || !isOfThis || request === undefined
      ? null
      : { ...props, found, place: { layer: request.layer, token: request.token, expert: request.expert } };
  return (
    <>
      <section class="panel">
        <h2>Tokens</h2>
        <div class="controls">
          <label>
            Layer{' '}
            <select value={place.layer} onChange={({ currentTarget }) => go({ layer: Number(currentTarget.value) })}>
              {routed.layers.map((number, i) => (
                <option key={number} value={i}>
                  {number}
                </option>
              ))}
            </select>
          </label>
          <span class="soft">colours are the first expert of each token there</span>
        </div>
        <Tokens {...props} />
        <TokenPath {...props} />
      </section>
      {error !== undefined && <Problems problems={[error]} />}
      {looked === null ? (
        error === undefined && <p class="soft waiting">Reading the scores…</p>
      ) : (
        <>
          <ScoresPanel {...looked} />
          <LayerPanel {...looked} />
          <ExpertPanel {...looked} />
        </>
      )}
      <section class="panel">
        <h2>All tokens</h2>
        <FigureView
          make={() => routingStrip.picture(routingStripRecord(run.name, 'given', routed.step, stripOf(routed)))}
          inputs={[routed, run.name]}
        />
      </section>
    </>
  );
}

function Tokens({ run, routed, place, go }: RoutedProps): JSX.Element {
  const { tokens, slots, experts, cutTokens } = routed;
  const at = place.token;
  const first = (index: number): number => routed.chosen[place.layer]![index * slots]!;
  return (
    <>
      <TokenButtons
        tokens={tokens.map(({ text }, i) => ({
          ...{ text, hue: hueOf(first(i), experts) },
          expert: first(i) < experts ? first(i) : null,
        }))}
        at={at}
        label={`Tokens of ${run.id}`}
        choose={(token) => go({ token })}
      />
      {cutTokens > 0 && (
        <p class="soft hint">
          The model sees {tokens.length} tokens at a time; the last {cutTokens} of the text are left out.
        </p>
      )}
      <h3 aria-live="polite">
        Token {at + 1} of {tokens.length}: <code>{JSON.stringify(tokens[at]?.text)}</code>
      </h3>
    </>
  );
}

/** The experts of the token, layer after layer. */
function TokenPath({ run, routed, place, go }: RoutedProps): JSX.Element {
  const { layers, slots, experts, chosen, weights } = routed;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`Experts of the token by layer, ${run.id}`}>
      <table class="experts">
        <Head names={['Layer', 'Experts and their weights']} words={['Experts and their weights']} />
        <tbody>
          {layers.map((number, row) => (
            <tr key={number} class={row === place.layer ? 'chosen' : ''}>
              <th scope="row">{number}</th>
              <td class="text">
                {Array.from({ length: slots }, (_, slot) => {
                  const expert = chosen[row]![place.token * slots + slot]!;
                  const weight = weights[row]![place.token * slots + slot]!;
                  if (expert >= experts) return null;
                  return (
                    <button
                      key={slot}
                      type="button"
                      class="expert"
                      style={{ '--hue': String(hueOf(expert, experts)) }}
                      onClick={() => go({ layer: row, expert })}
                    >
                      <span class="unseen">Expert </span>
                      <b>{expert}</b>
                      <span class="unseen"> of layer {number}, weight </span>
                      <span class="bar">
                        <span style={{ width: `${Math.min(100, Math.max(0, weight * 100))}%` }} />
                      </span>
                      {formatMeasure(weight, 2)}
                    </button>
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
