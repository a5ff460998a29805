/** The latent space of a layer: tokens and prototypes by their directions, in a plane that follows them. */
import { shownToken } from '@lpr/dashboard/page/parts';
import type { JSX } from 'preact';
import type { Side } from '../src/model.ts';
import type { LayerLook, Look } from '../src/training.ts';
import { type Area, Canvas } from './canvas.tsx';
import { expertColour } from './colours.ts';

interface Props {
  readonly side: Side;
  readonly look: Look;
  readonly layer: number;
  readonly token: number;
  readonly onToken: (token: number) => void;
}

/** Pixels around the disc, and within it around what it holds. */
const [EDGE, MARGIN] = [2, 20];
/** Of places in the unit disc: what is nearer to the middle is not drawn larger. */
const LEAST_REACH = 0.4;

export function Latents({ side, look, layer, token, onToken }: Props): JSX.Element {
  const shown = look.layers[Math.min(layer, look.layers.length - 1)]!;
  const keys = side === 'lpr' ? 'prototypes' : 'rows of the router';
  return (
    <Canvas
      label={`Directions of ${shown.tokens.length / 2} tokens and ${shown.keys.length / 2} ${keys} of layer ${layer}, in a plane`}
      heightOf={(width) => Math.min(width, 340)}
      draw={(context, area) => drawLatents(context, area, shown, look, token)}
      onPick={({ x, y, width }) => {
        const frame = frameOf(width, Math.min(width, 340), shown);
        const picked = nearestToken(shown, look.sample.length, frame, x, y);
        if (picked !== null) onToken(picked);
      }}
    />
  );
}

interface Frame {
  readonly x: number;
  readonly y: number;
  /** Pixels from the middle to the disc's edge, and of the length 1. */
  readonly edge: number;
  readonly radius: number;
}

/** As large as what is in it allows. */
function frameOf(width: number, height: number, { tokens, keys }: LayerLook): Frame {
  const edge = Math.min(width, height) / 2 - EDGE;
  let reach = LEAST_REACH;
  for (const places of [tokens, keys]) {
    for (let i = 0; i < places.length; i += 2) reach = Math.max(reach, Math.hypot(places[i]!, places[i + 1]!));
  }
  return { x: width / 2, y: height / 2, edge, radius: (edge - MARGIN) / reach };
}

const place = (places: Float32Array, index: number, { x, y, radius }: Frame): [number, number] => [
  x + places[2 * index]! * radius,
  y - places[2 * index + 1]! * radius,
];

/** The token of the sample under a finger, or null. */
function nearestToken({ tokens }: LayerLook, sample: number, frame: Frame, x: number, y: number): number | null {
  let [nearest, least]: [number | null, number] = [null, 18];
  for (let token = 0; token < sample; token++) {
    const [left, top] = place(tokens, token, frame);
    const distance = Math.hypot(left - x, top - y);
    if (distance < least) [nearest, least] = [token, distance];
  }
  return nearest;
}

function drawLatents(
  context: CanvasRenderingContext2D,
  { width, height, colours }: Area,
  shown: LayerLook,
  { sample }: Look,
  chosen: number,
): void {
  const { tokens, keys, experts } = shown;
  const frame = frameOf(width, height, shown);
  const slots = (2 * experts.length) / tokens.length;
  const dot = (x: number, y: number, radius: number): void => {
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
  };
  context.fillStyle = colours.ground;
  context.strokeStyle = colours.line;
  dot(frame.x, frame.y, frame.edge);
  context.fill();
  context.stroke();

  const first = (token: number): number => experts[token * slots]!;
  context.globalAlpha = 0.55;
  for (let token = sample.length; 2 * token < tokens.length; token++) {
    context.fillStyle = expertColour(first(token), colours.theme);
    dot(...place(tokens, token, frame), 2.5);
    context.fill();
  }
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  for (const [token] of sample.entries()) {
    context.fillStyle = expertColour(first(token), colours.theme);
    context.strokeStyle = colours.surface;
    dot(...place(tokens, token, frame), 4.5);
    context.fill();
    context.stroke();
  }
  drawKeys(context, frame, keys, colours);
  const at = Math.min(chosen, sample.length - 1);
  const [x, y] = place(tokens, at, frame);
  context.strokeStyle = colours.ink;
  context.lineWidth = 2;
  dot(x, y, 7);
  context.stroke();
  label(context, shownToken(sample[at]).trim() || '·', x, y - 15, colours);
}

function drawKeys(context: CanvasRenderingContext2D, frame: Frame, keys: Float32Array, colours: Area['colours']): void {
  const count = keys.length / 2;
  const size = count > 32 ? 4 : 6;
  for (let key = 0; key < count; key++) {
    const [x, y] = place(keys, key, frame);
    context.beginPath();
    context.moveTo(x, y - size);
    context.lineTo(x + size, y);
    context.lineTo(x, y + size);
    context.lineTo(x - size, y);
    context.closePath();
    context.fillStyle = expertColour(key, colours.theme);
    context.strokeStyle = colours.ink;
    context.lineWidth = 1.25;
    context.fill();
    context.stroke();
    if (count <= 16) label(context, String(key), x, y + size + 8, colours);
  }
}

/** Text that can be read on whatever lies below it. */
function label(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  { ink, surface }: Area['colours'],
): void {
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.lineWidth = 3;
  context.lineJoin = 'round';
  context.strokeStyle = surface;
  context.fillStyle = ink;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
