/** The one script of a report: draws the records that the report keeps, each when its reader comes near it. */
import { type Picture, storedPictures } from '@lpr/report';
import type { EChartsOption } from 'echarts';
import { followCells } from './cells.ts';
import { init } from './echarts.ts';
import { textTooltips } from './tooltips.ts';

const dark = matchMedia('(prefers-color-scheme: dark)');

/** The text that the page keeps: compressed by gzip, in base64. */
async function keptText(): Promise<string> {
  const kept = document.querySelector<HTMLTemplateElement>('#records')!.content.textContent;
  const bytes = Uint8Array.from(atob(kept.trim()), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return await new Response(stream).text();
}

function show(place: HTMLElement, picture: Picture): void {
  let shown: EChartsOption | undefined;
  followCells(
    place,
    () => shown,
    () => {},
  );
  const chart = init(place, null, { width: 1, height: 1 });
  const draw = (): void => {
    const { option, size } = picture.draw({
      width: Math.floor(place.parentElement!.clientWidth),
      theme: dark.matches ? 'dark' : 'light',
    });
    shown = option;
    place.style.width = `${size.width}px`;
    place.style.height = `${size.height}px`;
    chart.resize(size);
    chart.setOption({ ...textTooltips(option), backgroundColor: 'transparent' }, { notMerge: true });
  };
  draw();
  dark.addEventListener('change', draw);
  addEventListener('resize', draw);
  // On paper it is as wide as the paper.
  addEventListener('beforeprint', draw);
}

const pictures = storedPictures(await keptText());
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting || !(target instanceof HTMLElement)) continue;
      near.unobserve(target);
      try {
        show(target, pictures[Number(target.dataset['record'])]!);
      } catch (error) {
        target.textContent = `This figure cannot be drawn: ${error instanceof Error ? error.message : String(error)}`;
      }
    }
  },
  { rootMargin: '400px' },
);
for (const place of document.querySelectorAll<HTMLElement>('[data-record]')) near.observe(place);
