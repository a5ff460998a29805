/** A model while it trains: its measures, its loads, its latent space. */
import { NumberChoice, Tiles } from '@lpr/dashboard/page/parts';
import type { JSX } from 'preact';
import type { SideState } from '../src/playground.ts';
import { WINDOW } from '../src/progress.ts';
import type { Settings, View } from '../src/settings.ts';
import { Heatmap } from './heatmap.tsx';
import { Latents } from './latents.tsx';
import { sideName } from './names.ts';

interface Props {
  readonly state: SideState;
  readonly settings: Settings;
  readonly view: View;
  readonly onView: (changes: Partial<View>) => void;
}

export function ModelPanel({ state, settings, view, onView }: Props): JSX.Element {
  const { side, progress, look, floor } = state;
  const { loads } = progress;
  const { layers, experts } = settings;
  const loss = progress.smoothed.at(-1);
  return (
    <section class={`panel model is-${side}`} aria-label={sideName(side, settings)}>
      <h2>
        <span class="swatch" />
        {sideName(side, settings)}
      </h2>
      <Tiles
        tiles={[
          { name: 'Loss', value: loss === undefined ? '–' : loss.toFixed(2), note: 'nats a token' },
          { name: 'Gini', value: loads === null ? '–' : loads.gini.toFixed(3), note: `by chance ${floor.toFixed(3)}` },
          { name: 'Busiest', value: loads === null ? '–' : `${loads.most.toFixed(1)}×`, note: 'the even share' },
          { name: 'Idle', value: loads === null ? '–' : String(loads.idle), note: `of ${layers * experts} experts` },
        ]}
      />
      <h3>Load of each expert</h3>
      <p class="hint">
        Layers by experts, over the last {WINDOW} steps. {layers > 1 && 'A click on a layer shows its latent space.'}
      </p>
      <Heatmap
        loads={loads}
        layers={layers}
        experts={experts}
        layer={view.layer}
        onLayer={(layer) => onView({ layer })}
      />
      <div class="titled">
        <h3>{side === 'lpr' ? 'Latent space' : 'What the router sees'}</h3>
        {layers > 1 && (
          <NumberChoice name="Layer" count={layers} value={view.layer} onChange={(layer) => onView({ layer })} />
        )}
      </div>
      <p class="hint">
        {side === 'lpr'
          ? 'Dots: tokens, by their first expert. Diamonds: prototypes.'
          : 'Dots: tokens, by their first expert. Diamonds: the router’s weights.'}
      </p>
      <Latents side={side} look={look} layer={view.layer} token={view.token} onToken={(token) => onView({ token })} />
    </section>
  );
}
