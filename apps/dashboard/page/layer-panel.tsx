/** One layer: where the tokens of a text lie among its prototypes, and how its experts scored one of them. */
import { givenLatentsRecord, latents } from '@lpr/report';
import type { JSX } from 'preact';
import { FigureView } from './figure.tsx';
import type { LookedProps } from './looked.ts';
import { shownToken } from './parts.tsx';
import { LayerScores } from './scores-panel.tsx';

export function LayerPanel(props: LookedProps): JSX.Element {
  const { run, routed, place, found, go } = props;
  const { plane } = found;
  const { layers, slots, chosen, tokens, step } = routed;
  const numbers = (of: NonNullable<typeof plane>): Parameters<typeof givenLatentsRecord>[3] => ({
    plane: {
      points: of.points.map((point) => Float64Array.from(point)),
      prototypes: of.prototypes.map((point) => Float64Array.from(point)),
      explained: [of.explained[0] ?? Number.NaN, of.explained[1] ?? Number.NaN],
    },
    experts: tokens.map((_, token) => chosen[place.layer]![token * slots]!),
    texts: tokens.map(({ text }) => shownToken(text)),
    chosen: place.token,
  });
  return (
    <section class="panel">
      <h2>Inside layer {layers[place.layer]}</h2>
      <div class={plane === null ? '' : 'split even'}>
        {plane === null ? (
          <p class="soft">This router has no prototypes in a latent space, or they lie nowhere that could be drawn.</p>
        ) : (
          <div>
            <FigureView
              make={() => latents.picture(givenLatentsRecord(run.name, step, layers[place.layer]!, numbers(plane)))}
              inputs={[found, run.name, routed]}
              isReaders
              onPick={(series, [, , index = 0]) => go(series === 0 ? { token: index } : { expert: index })}
            />
            <p class="soft hint">
              Click a dot to look at its token, a diamond for its expert; the tokens above and the list beside do the
              same.
            </p>
          </div>
        )}
        <LayerScores {...props} />
      </div>
    </section>
  );
}
