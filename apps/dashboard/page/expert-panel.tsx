/** One expert of a layer: the tokens of the text that it is surest of, and what is known of its life. */
import { formatMeasure } from '@lpr/report';
import type { JSX } from 'preact';
import type { ExpertLife } from '../src/api.ts';
import { api, useJson } from './fetching.ts';
import { lifeOf } from './life.ts';
import { Head, NumberChoice, Problems, shownToken } from './parts.tsx';
import type { LookedProps } from './looked.ts';

/** Tokens on either side of one that is named. */
const AROUND = 3;

export function ExpertPanel({ run, routed, place, found, go }: LookedProps): JSX.Element {
  const { tokens, layers, experts } = routed;
  const { data: life, error } = useJson<ExpertLife>(
    api('expert', { run: run.id, layer: place.layer, expert: place.expert }),
    run.updatedAt,
  );
  const around = (token: number): JSX.Element => (
    <>
      {tokens.slice(Math.max(0, token - AROUND), token).map(({ text }) => text)}
      <b>{shownToken(tokens[token]?.text)}</b>
      {tokens.slice(token + 1, token + 1 + AROUND).map(({ text }) => text)}
    </>
  );
  const decides = found.surest.some(({ lead }) => lead !== null);
  return (
    <section class="panel">
      <h2>
        Expert {place.expert} of layer {layers[place.layer]}
      </h2>
      <div class="controls">
        <NumberChoice name="Expert" count={experts} value={place.expert} onChange={(expert) => go({ expert })} />
      </div>
      {error !== undefined && <Problems problems={[`What its run says of it cannot be read: ${error}`]} />}
      {life !== undefined && (
        <ul class="life">
          {lifeOf(life).map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
      )}
      <h3>Tokens of this text that it is surest of</h3>
      <div class="scroll" tabIndex={0} role="region" aria-label={`Tokens that the expert is surest of, ${run.id}`}>
        <table>
          <Head names={['Token', 'Score', ...(decides ? ['Ahead by'] : []), 'Got it']} />
          <tbody>
            {found.surest.map(({ token, score, lead, chosen }) => (
              <tr key={token} class={token === place.token ? 'chosen' : ''}>
                <td class="around">
                  <button type="button" class="quiet" onClick={() => go({ token })}>
                    {around(token)}
                  </button>
                </td>
                <td>{formatMeasure(score, 4)}</td>
                {decides && <td>{formatMeasure(lead, 4)}</td>}
                <td>{chosen ? 'yes' : 'no'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {decides && (
        <p class="soft hint">
          Ahead of the best expert that did not get the token; one that did not get it itself is behind the last that
          did.
        </p>
      )}
    </section>
  );
}
