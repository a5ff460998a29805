/**
 * A figure of @lpr/report in the page: as wide as its place, in the page's theme, for mouse and keyboard, to take away
 * as PNG or CSV.
 */
import type { LineView, ThemeName } from '@lpr/charts';
import { type Figure, type Picture, type RunParts, someRuns } from '@lpr/report';
import type { LevelSource } from '@lpr/report/tables';
import type { ECharts, EChartsOption } from 'echarts';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Axes, useView, wholeAxis } from './axes.tsx';
import { followCells } from './cells.ts';
import { download } from './download.ts';
import { FORMATS, prepare } from './export.ts';
import { currentTheme, onTheme } from './theme.ts';
import { textTooltips } from './tooltips.ts';
import { useDragZoom } from './zoom.ts';

interface Props {
  readonly make: () => Picture;
  /** What `make` reads: it is made anew when one of them is another. */
  readonly inputs: readonly unknown[];
  /** Lines of notes that there is room for before they are known, so that nothing below moves when levels come. */
  readonly noteLines?: number;
  /** The picture of every value, where `make` gives means: what its tables are taken from. */
  readonly exact?: (() => Promise<Picture | undefined>) | undefined;
  /** Whether it is the reader who changes it, and not a run: then it is drawn anew under the pointer too. */
  readonly isReaders?: boolean;
  /** Values of the point that was clicked. */
  readonly onPick?: (series: number, value: readonly number[]) => void;
}

/**
 * A figure of whole runs with its heading; nothing where the runs have nothing for it. Of several pictures one at a
 * time.
 */
export function RunFigure({
  figure,
  runs,
  levels,
  exact,
}: {
  figure: Figure;
  runs: readonly RunParts[];
  levels: LevelSource;
  /** The runs with every value of some series. */
  exact?: (names: readonly string[]) => Promise<readonly RunParts[]>;
}): JSX.Element | null {
  const [chosen, choose] = useState(0);
  const { value: pictures, problem } = useMemo(
    () => attempt(() => figure.pictures(runs, { levels }).pictures),
    [figure, runs, levels],
  );
  if (problem !== null) return <Panel heading={figure.heading}>{cannotDraw(problem)}</Panel>;
  const shown = pictures[Math.min(chosen, pictures.length - 1)];
  if (shown === undefined) return null;
  return (
    <Panel heading={figure.heading}>
      {pictures.length > 1 && (
        <div class="controls">
          {pictures.map((picture, i) => (
            <button key={i} type="button" aria-pressed={picture === shown} onClick={() => choose(i)}>
              {picture.record.of.label}
            </button>
          ))}
        </div>
      )}
      <FigureView
        make={() => shown}
        inputs={[shown]}
        exact={
          exact === undefined || figure.series.length === 0
            ? undefined
            : async () => figure.pictures(await exact(figure.series), { levels }).pictures[pictures.indexOf(shown)]
        }
      />
    </Panel>
  );
}

function Panel({ heading, children }: { heading: string; children: ComponentChildren }): JSX.Element {
  return (
    <section class="panel">
      <h2>{heading}</h2>
      {children}
    </section>
  );
}

function cannotDraw(problem: string): JSX.Element {
  return <p class="problem">This figure cannot be drawn: {problem}</p>;
}

export function FigureView({ make, inputs, noteLines = 0, exact, isReaders = false, onPick }: Props): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<ECharts | null>(null);
  const [ready, setReady] = useState(false);
  const [shown, setShown] = useState(false);
  const [pointed, setPointed] = useState(false);
  const width = useWidthOnceNear(place);
  const theme = useTheme();
  const made = useMemo(() => attempt(make), inputs);
  const picture = made.value;
  const axes = picture?.axes ?? [];
  const [view, changeView] = useView(picture?.record.kind ?? '');
  const { value: drawn, problem } = useMemo(
    () =>
      picture === null || width === 0
        ? { value: null, problem: made.problem }
        : attempt(() => picture.draw({ width, theme, view })),
    [width, theme, picture, view],
  );
  // Then a keyboard must be able to scroll it.
  const isWider = drawn !== null && drawn.size.width > width;
  const lookedAt = useRef<LineView | null>(null);
  const label = picture === null ? 'A figure' : labelOf(picture);

  useEffect(() => {
    let gone = false;
    void prepare().then(({ init }) => {
      if (gone || place.current === null) return;
      chart.current = init(place.current, null, { width: 1, height: 1 });
      setReady(true);
    });
    return () => {
      gone = true;
      chart.current?.dispose();
      chart.current = null;
    };
  }, []);
  useEffect(() => {
    const instance = chart.current;
    // Under the pointer a figure that is fed live stands still, or its values could not be read.
    const isHeld = pointed && shown && !isReaders && lookedAt.current === view;
    if (instance === null || drawn === null || isHeld) return;
    lookedAt.current = view;
    const { width: across, height } = drawn.size;
    if (instance.getWidth() !== across || instance.getHeight() !== height) instance.resize({ width: across, height });
    // The panel around it is the background.
    instance.setOption({ ...textTooltips(drawn.option), backgroundColor: 'transparent' }, { notMerge: true });
    setShown(true);
  }, [drawn, ready, pointed]);
  const option = useRef<EChartsOption | undefined>(undefined);
  option.current = drawn?.option;
  useEffect(
    () =>
      place.current === null
        ? undefined
        : followCells(
            place.current,
            () => option.current,
            ({ panel, column, row }) => picked.current?.(panel, [column, row]),
          ),
    [],
  );
  const picked = useRef(onPick);
  picked.current = onPick;
  useEffect(() => {
    chart.current?.on('click', ({ seriesIndex, value }) => {
      if (Array.isArray(value)) picked.current?.(seriesIndex ?? 0, value.map(Number));
    });
  }, [ready]);

  useDragZoom(axes.length > 0 ? place : null, chart, (range) =>
    changeView(range ? { ...view, range } : wholeAxis(view)),
  );

  const [failure, fail] = useState<string | null>(null);
  const save = (kind: keyof typeof FORMATS): void => {
    if (picture === null) return;
    fail(null);
    FORMATS[kind](picture, view, exact).then(
      (content) => download(`${label}.${kind.toLowerCase()}`, content),
      (error: unknown) => fail(error instanceof Error ? error.message : String(error)),
    );
  };
  return (
    <figure class="figure" aria-busy={!shown}>
      {problem !== null && cannotDraw(problem)}
      <p class="title">{picture?.record.title ?? '\u00a0'}</p>
      {axes.length > 0 && <Axes axes={axes} view={view} change={changeView} />}
      <div class="canvas-scroll" {...(isWider && { tabIndex: 0, role: 'group', 'aria-label': label })}>
        <div
          ref={place}
          class={axes.length > 0 ? 'canvas zooms' : 'canvas'}
          role="img"
          aria-label={label}
          onPointerEnter={({ pointerType }) => setPointed(pointerType === 'mouse')}
          onPointerLeave={() => setPointed(false)}
          hidden={problem !== null}
          style={{ height: `${drawn?.size.height ?? 320}px`, width: drawn === null ? '100%' : `${drawn.size.width}px` }}
        />
      </div>
      <Notes notes={picture?.record.notes ?? []} lines={noteLines} />
      <figcaption>
        {failure !== null && <span class="problem">It cannot be saved: {failure}</span>}
        {(Object.keys(FORMATS) as (keyof typeof FORMATS)[]).map((kind) => (
          <button
            key={kind}
            type="button"
            class="quiet"
            onClick={() => save(kind)}
            aria-label={`${label}: save as ${kind}`}
          >
            {kind}
          </button>
        ))}
      </figcaption>
    </figure>
  );
}

/** More notes are asked for. */
const FEW_NOTES = 5;

/** @param lines that there is room for before notes are known */
function Notes({ notes, lines }: { notes: readonly string[]; lines: number }): JSX.Element {
  const list = (some: readonly string[]): JSX.Element[] => some.map((note) => <li key={note}>{note}</li>);
  const isMany = notes.length > FEW_NOTES;
  const first = isMany ? FEW_NOTES - 1 : FEW_NOTES;
  return (
    <>
      <ul class="notes soft" style={{ minHeight: `${1.5 * lines}em` }}>
        {list(notes.slice(0, first))}
      </ul>
      {isMany && (
        <details class="notes soft">
          <summary>{notes.length - first} more</summary>
          <ul class="notes">{list(notes.slice(first))}</ul>
        </details>
      )}
    </>
  );
}

/** What it makes, or why it cannot. */
function attempt<T>(make: () => T): { value: T; problem: null } | { value: null; problem: string } {
  try {
    return { value: make(), problem: null };
  } catch (error) {
    return { value: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

/** What a figure shows, for those who cannot see it, and as the name of its files. */
function labelOf({ record: { title, of } }: Picture): string {
  return `${title}: ${someRuns(of.runs)}`;
}

export function useTheme(): ThemeName {
  const [theme, set] = useState(currentTheme);
  useEffect(() => onTheme(() => set(currentTheme())), []);
  return theme;
}

/** How wide the place is; 0 until the reader has come near it, so that a long page opens without drawing all of it. */
function useWidthOnceNear(place: { readonly current: HTMLElement | null }): number {
  const [width, set] = useState(0);
  useEffect(() => {
    const box = place.current?.parentElement;
    if (!box) return undefined;
    const resized = new ResizeObserver(() => set(Math.floor(box.clientWidth)));
    const near = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting !== true) return;
        near.disconnect();
        resized.observe(box);
      },
      { rootMargin: '200px' },
    );
    near.observe(box);
    return () => {
      near.disconnect();
      resized.disconnect();
    };
  }, []);
  return width;
}
