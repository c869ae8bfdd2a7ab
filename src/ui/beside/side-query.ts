import type { DiskRow } from '../../rpc/protocol.ts';
import { parseSize } from '../../rpc/presets.ts';
import { PRESETS, TUTORIAL, type Preset } from '../state/defaults.ts';

export type SideId = 'left' | 'right';
export const SIDES: readonly SideId[] = ['left', 'right'];
export const otherOf = (side: SideId): SideId => (side === 'left' ? 'right' : 'left');

/**
 * What one side begins with, as it stands in the address: `preset=gc`, `line=…&size=BYTES&name=…`, `disk=NAME`, or
 * `replay=URL` (empty: the reader opens a recording there). Nothing: the disk that this side had last.
 */
export interface SideQuery {
  readonly preset?: string;
  readonly line?: string;
  readonly sizeBytes?: number;
  /** What a disk of that line is called. */
  readonly name?: string;
  readonly disk?: string;
  readonly replay?: string;
  /** What it does not understand, for the side itself to say so. */
  readonly rest?: readonly (readonly [key: string, value: string])[];
}

/** Takes from an address what a side begins with. */
export function readSide(text: string): SideQuery {
  const params = new URLSearchParams(text);
  const size = sizeIn(params);
  const rest = [...params].filter(([key]) => (key === 'size' ? size?.ok !== true : !KEYS.includes(key)));
  const of = (key: string) => params.get(key) ?? undefined;
  const found = {
    preset: of('preset'),
    line: of('line'),
    sizeBytes: size?.ok ? size.bytes : undefined,
    name: of('name'),
    disk: of('disk'),
    replay: of('replay'),
    rest: rest.length > 0 ? rest : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined));
}

/** A number of bytes, or what `--size` of the headless lab takes: 8G, 512M. */
function sizeIn(params: URLSearchParams) {
  const text = params.get('size');
  return text === null ? undefined : parseSize(text);
}

/** Keys that say what a page begins with. */
const WISH_KEYS = ['preset', 'line', 'size', 'name', 'disk'];
/** Keys of a link to the page; those that only the page itself writes, or only a developer, are in it too. */
const KEYS = [...WISH_KEYS, 'replay', 'beside', 'left', 'right', 'side', 'projector'];
const DEV_KEYS = ['fake', 'crash', 'fast'];
/** What others put behind addresses that are passed on. */
const TRACKERS = /^(utm_|mc_|_|ref$)|clid$/;

/** What is wrong with a link to the page: keys that mean nothing in it, and a size that is none. */
export function mistakesIn(search: string): { readonly unknown: readonly string[]; readonly size?: string } {
  const params = new URLSearchParams(search);
  const unknown = [...new Set(params.keys())].filter(
    (key) => !KEYS.includes(key) && !DEV_KEYS.includes(key) && !TRACKERS.test(key),
  );
  const needless = needlessKeys(params);
  unknown.push(...needless.filter((key) => params.has(key)));
  const size = needless.includes('size') ? undefined : sizeIn(params);
  return { unknown, ...(size && !size.ok && { size: size.error }) };
}

/** Keys that say something of a line, and a line, where there is none or another one is taken. */
function needlessKeys(params: URLSearchParams): string[] {
  if (PRESETS.some(({ id }: Preset) => id === params.get('preset'))) return ['line', 'size', 'name'];
  return params.has('line') ? [] : ['size', 'name'];
}

/** An address without what a page begins with. */
export function withoutWish(address: URL): URL {
  const rest = new URL(address);
  for (const key of WISH_KEYS) rest.searchParams.delete(key);
  return rest;
}

/** The inverse of {@link readSide}. */
export function writeSide({ preset, line, sizeBytes, name, disk, replay, rest = [] }: SideQuery): string {
  const params = new URLSearchParams();
  const pairs = { preset, line, size: sizeBytes, name, disk, replay };
  for (const [key, value] of Object.entries(pairs)) if (value !== undefined) params.set(key, String(value));
  for (const [key, value] of rest) params.append(key, value);
  return params.toString();
}

/** The page that holds both. */
export function besideUrl(left: SideQuery, right: SideQuery): string {
  return `./?beside&left=${encodeURIComponent(writeSide(left))}&right=${encodeURIComponent(writeSide(right))}`;
}

/** The page in one of its frames. */
export function sideUrl(side: SideId, query: SideQuery): string {
  const rest = writeSide(query);
  return `./?side=${side}${rest && '&'}${rest}`;
}

/** Line and size that a side asks for; undefined when it asks for none, or for a preset that there is not. */
export function wantedDevice(
  query: SideQuery,
): { name: string; line: string; sizeBytes: number } | undefined {
  const preset = PRESETS.find(({ id }: Preset) => id === query.preset);
  if (preset) return { name: preset.id, line: preset.line, sizeBytes: preset.sizeBytes };
  if (query.line === undefined) return undefined;
  return { name: query.name ?? 'disk', line: query.line, sizeBytes: query.sizeBytes ?? TUTORIAL.sizeBytes };
}

/** Disks of a side are called after it, so that the two never take each other's. */
export const diskNameOf = (side: SideId, name: string): string => `${side} ${name}`;

/**
 * The disk that a side goes on with; undefined: power on makes it one of its own.
 * @param remembered id of the disk that this side had last
 */
export function diskFor(
  side: SideId,
  query: SideQuery,
  disks: readonly DiskRow[],
  remembered: string | undefined,
): DiskRow | undefined {
  return diskOf(query, disks, remembered, (disk) => isOf(side, disk));
}

/**
 * The same for a page with one lab. Call it only with a query that asks for something. A link with a name asks for a
 * disk of its own; the disks of sides stay theirs.
 */
export function diskForLink(
  query: SideQuery,
  disks: readonly DiskRow[],
  remembered: string | undefined,
): DiskRow | undefined {
  const { disk: chosen, name } = query;
  const anyName = chosen !== undefined || name === undefined;
  const named = anyName ? disks : disks.filter((disk) => disk.name === name);
  const found = diskOf(query, named, remembered, (disk) => !SIDES.some((side) => isOf(side, disk)));
  // A preset that there is not asks for nothing.
  const asks = chosen !== undefined || wantedDevice(query) !== undefined;
  return found ?? (asks ? undefined : disks.at(-1));
}

/** @param isOurs of disks that were not the last here, which may be taken */
function diskOf(
  query: SideQuery,
  disks: readonly DiskRow[],
  remembered: string | undefined,
  isOurs: (disk: DiskRow) => boolean,
): DiskRow | undefined {
  if (query.disk !== undefined) return diskNamed(disks, query.disk);
  const last = disks.find(({ id }) => id === remembered);
  const wanted = wantedDevice(query);
  if (!wanted || (last && fits(last, wanted))) return last;
  return disks.filter((disk) => fits(disk, wanted) && isOurs(disk)).at(-1);
}

const isOf = (side: SideId, { name }: DiskRow): boolean => name.startsWith(diskNameOf(side, ''));

function diskNamed(disks: readonly DiskRow[], idOrName: string): DiskRow | undefined {
  return disks.find(({ id }) => id === idOrName) ?? disks.find(({ name }) => name === idOrName);
}

/** A line that says its own size (FEMU's devsz_mb) decides, and disks are as it says. */
function fits(disk: DiskRow, wanted: { readonly line: string; readonly sizeBytes: number }): boolean {
  if (disk.deviceLine !== wanted.line) return false;
  return disk.sizeBytes === wanted.sizeBytes || /\bdevsz_mb=/.test(wanted.line);
}
