import type { Words } from '../text/en.ts';
import { AGES, Code, FADES, USERS } from './flash-map-codes.ts';
import { looks, type Look } from './flash-map-looks.ts';
import type { Palette } from './flash-map-palette.ts';
import { targetName, type MapLayer, type MapSource } from './flash-map-source.ts';
import type { Tally } from './flash-map-tally.ts';

export type MapWords = Words['mapLayers'];

/** A line of the legend: how it looks, what it is called, how much there is of it. */
export interface LegendEntry {
  readonly key: string;
  /** What the swatch is filled with, below its pattern. */
  readonly colour: string;
  /** CSS of the swatch. */
  readonly style: string;
  readonly name: string;
  readonly hint: string;
  readonly count: number | undefined;
}

export interface LegendCounts {
  readonly tally: Tally;
  /** Of the classes of age, and before the recording. */
  readonly ages: readonly number[];
  /** Read, write, erase. */
  readonly operations: readonly number[];
  /** Sectors that users wrote, by target. */
  readonly users: readonly number[];
}

export interface Legend {
  readonly entries: readonly LegendEntry[];
  /** What is counted. */
  readonly unit: 'sectors' | 'chunks' | 'blocks';
}

/** The legend is made from the same table as the cells: what it shows is what is painted. */
export function legendOf(
  layer: MapLayer,
  source: MapSource,
  palette: Palette,
  words: MapWords,
  stateWords: Readonly<Record<'open' | 'closed' | 'free' | 'offline', string>>,
  opWords: Readonly<Record<'read' | 'write' | 'erase', string>>,
  counts: LegendCounts,
): Legend {
  const table = looks(palette, 'bars');
  const { tally } = counts;
  const entry = (
    key: string,
    code: number,
    name: string,
    count: number | undefined,
    hint = '',
  ): LegendEntry => ({
    key,
    colour: table.get(code)?.base ?? palette.surface,
    style: swatchCss(table.get(code), key === 'validGc' ? palette.gc : palette.gridLine, code),
    name,
    hint,
    count,
  });
  const offline = () => (tally.offline > 0 ? [entry('offline', Code.offline, words.offline, undefined)] : []);
  switch (layer) {
    case 'state':
      return {
        unit: 'chunks',
        entries: (['open', 'closed', 'free', 'offline'] as const).map((s) =>
          entry(s, Code[s], stateWords[s], tally[s]),
        ),
      };
    case 'validity':
      return { unit: 'sectors', entries: [...validity(entry, words, tally), ...offline()] };
    case 'owner':
      return { unit: 'sectors', entries: [...owners(entry, source, words, counts), ...offline()] };
    case 'age':
      return {
        unit: 'sectors',
        entries: [
          ...Array.from({ length: AGES }, (_, i) =>
            entry(`age${i}`, Code.age + i, words.ages[i] ?? '', counts.ages[i]),
          ),
          entry('before', Code.ageBefore, words.ageBefore, counts.ages[AGES]),
          ...offline(),
        ],
      };
    case 'operation':
      return {
        unit: 'blocks',
        entries: [
          ...(['read', 'write', 'erase'] as const).map((op, i) =>
            entry(op, Code.operation + i * FADES, opWords[op], counts.operations[i]),
          ),
          ...offline(),
        ],
      };
    case 'wear':
      return {
        unit: 'chunks',
        entries: [entry('never', Code.free, words.neverErased, undefined), ...offline()],
      };
  }
}

type MakeEntry = (
  key: string,
  code: number,
  name: string,
  count: number | undefined,
  hint?: string,
) => LegendEntry;

function validity(entry: MakeEntry, words: MapWords, tally: Tally): LegendEntry[] {
  const kinds = ['valid', 'validGc', 'stale', 'padding', 'smeta', 'emeta', 'unknown', 'unwritten'] as const;
  return kinds.map((kind) =>
    entry(
      kind,
      Code[kind],
      words.kinds[kind],
      // The copies that were moved are valid as well: here each sector counts once.
      kind === 'valid' ? tally.valid - tally.validGc : tally[kind],
      words.kindHints[kind],
    ),
  );
}

function owners(
  entry: MakeEntry,
  source: MapSource,
  words: MapWords,
  { tally, users: written }: LegendCounts,
): LegendEntry[] {
  const targets = source.model?.targets ?? [];
  const users =
    targets.length > 1
      ? targets.map((target, i) => {
          const { begin, end } = target.layout;
          const hint = words.lunsOf(String(begin), String(end));
          return entry(
            `user${i}`,
            Code.user + (i % USERS),
            words.userOf(targetName(target)),
            written[i] ?? 0,
            hint,
          );
        })
      : [entry('user', Code.user, words.owners.user, tally.user)];
  return [
    ...users,
    entry('gc', Code.gc, words.owners.gc, tally.gc),
    entry('pblk', Code.pblk, words.owners.pblk, tally.pblk),
    entry('ownerUnknown', Code.ownerUnknown, words.owners.ownerUnknown, tally.ownerUnknown),
  ];
}

/** The pattern of a cell as CSS. */
export function swatchCss(look: Look | undefined, border: string, code: number): string {
  if (!look) return '';
  const layers: string[] = [];
  const lines = (angle: number, colour: string) =>
    layers.push(`repeating-linear-gradient(${angle}deg, ${colour} 0 1.5px, transparent 1.5px 4.25px)`);
  if (look.diagonal) lines(135, look.diagonal);
  if (look.counter) lines(45, look.counter);
  if (look.dot)
    layers.push(`radial-gradient(circle at 1.5px 1.5px, ${look.dot} 1.1px, transparent 1.3px) 0 0 / 4px 4px`);
  const isBare = code === Code.free || code === Code.unwritten;
  const outline =
    isBare || code === Code.validGc ? `; box-shadow: inset 0 0 0 ${isBare ? 1 : 1.5}px ${border}` : '';
  return `background: ${[...layers, look.base].join(', ')}${outline}`;
}

/** The wear scale as a CSS gradient. */
export function scaleCss(colours: readonly string[]): string {
  return `background: linear-gradient(90deg, ${colours.join(', ')})`;
}
