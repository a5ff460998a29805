/** How every expert scored a token: of all layers as a picture, of one in numbers. */
import { formatMeasure, tokenScores, tokenScoresRecord } from '@lpr/report';
import type { JSX } from 'preact';
import { FigureView } from './figure.tsx';
import { Head, shownToken } from './parts.tsx';
import type { LookedProps } from './looked.ts';

export function ScoresPanel({ run, routed, place, found, go }: LookedProps): JSX.Element {
  const { layers, slots, experts, chosen, step, tokens } = routed;
  const { token } = place;
  const got = layers.map((_, row) =>
    chosen[row]!.slice(token * slots, (token + 1) * slots).filter((each) => each < experts),
  );
  const make = () =>
    tokenScores.picture(
      tokenScoresRecord(run.name, step, token, {
        name: shownToken(tokens[token]?.text),
        layers: layers.map((number, row) => ({
          layer: number,
          scores: found.selection[row]!.map((value) => value ?? Number.NaN),
          chosen: got[row]!,
        })),
      }),
    );
  return (
    <section class="panel">
      <h2>All scores of the token</h2>
      <FigureView
        make={make}
        inputs={[found, run.name]}
        isReaders
        onPick={(_, [column = 0, row = 0]) => go({ layer: row, expert: column })}
      />
    </section>
  );
}

/** Of one layer in numbers, in the order in which experts were chosen. */
export function LayerScores({ run, routed, place, found, go }: LookedProps): JSX.Element {
  const { layers, slots, chosen, weights } = routed;
  const { layer, token, expert } = place;
  const [scores, selection] = [found.scores[layer]!, found.selection[layer]!];
  const isBiased = scores.some((score, i) => score !== selection[i]);
  const order = selection
    .map((_, each) => each)
    .toSorted((a, b) => (selection[b] ?? -Infinity) - (selection[a] ?? -Infinity) || a - b);
  const weightOf = (each: number): number | null => {
    const slot = chosen[layer]!.slice(token * slots, (token + 1) * slots).indexOf(each);
    return slot === -1 ? null : weights[layer]![token * slots + slot]!;
  };
  return (
    <div>
      <h3>Scores of the token</h3>
      <div
        class="scroll"
        tabIndex={0}
        role="region"
        aria-label={`Scores of the token in layer ${layers[layer]}, ${run.id}`}
      >
        <table>
          <Head names={['Expert', 'Score', ...(isBiased ? ['Chosen by'] : []), 'Weight']} />
          <tbody>
            {order.map((each) => (
              <tr key={each} class={each === expert ? 'chosen' : ''}>
                <td>
                  <button type="button" class="quiet" onClick={() => go({ expert: each })}>
                    {each}
                  </button>
                </td>
                <td>{formatMeasure(scores[each], 4)}</td>
                {isBiased && <td>{reached(selection[each])}</td>}
                <td>{weightOf(each) === null ? '' : formatMeasure(weightOf(each), 3)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {isBiased && (
        <p class="soft hint">
          Chosen by: what the router orders experts by, which is the score after its softmax, with a selection bias or
          groups, as the method has them.
        </p>
      )}
    </div>
  );
}

/** Experts that groups keep a token from have a score far below all others. */
function reached(value: number | null | undefined): string {
  return value !== null && value !== undefined && value < -1e20 ? 'out of reach' : formatMeasure(value, 4);
}
