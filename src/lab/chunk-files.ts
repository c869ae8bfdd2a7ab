/**
 * The text files that qemu-nvme reads for open-channel 2.0: states of chunks (lchunkstate, chunkinfo), resets and
 * writes that fail (lresetfail, lwritefail). A line is a place and what happens there, in the names of either branch:
 *
 *     ns=1 grp=0 pu=* chk=3 resetfail_prob=50
 *     group=0 punit=1 chunk=7 state=CLOSED wi=12
 *
 * `*` and a part left out mean any. Text from a # on is a comment. Later lines win.
 */
import type { ChunkFault, InitialChunk } from '../flash/chunk-options.ts';
import { shown } from './size.ts';

/** The counts that places have to be within. */
export interface ChunkCounts {
  readonly grp: number;
  readonly pu: number;
  readonly chk: number;
  /** Sectors of a chunk. */
  readonly sec: number;
  readonly wsMin: number;
  /** Erases that make a wear index of 255 (`pe_cycles`). */
  readonly peCycles: number;
}

export type FileResult<T> =
  { readonly ok: true; readonly items: readonly T[] } | { readonly ok: false; readonly error: string };

/** Far more than anybody writes, and few enough to go through at every power-on. */
const MAX_LINES = 10_000;

const PLACE_NAMES: ReadonlyMap<string, 'grp' | 'pu' | 'chk' | 'sec'> = new Map([
  ['grp', 'grp'],
  ['group', 'grp'],
  ['pu', 'pu'],
  ['punit', 'pu'],
  ['chk', 'chk'],
  ['chunk', 'chk'],
  ['sec', 'sec'],
  ['sectr', 'sec'],
]);

const STATES: ReadonlyMap<string, NonNullable<InitialChunk['state']>> = new Map([
  ['FREE', 'free'],
  ['OPEN', 'open'],
  ['CLOSED', 'closed'],
  ['OFFLINE', 'offline'],
]);

const SEQUENTIAL = new Set(['W_SEQ', 'SEQ', 'SEQUENTIAL']);

/** What can be wrong with a line, to follow "Line 3 of …: ". */
class Wrong {
  readonly why: string;
  constructor(why: string) {
    this.why = why;
  }
}

interface Place {
  grp?: number;
  pu?: number;
  chk?: number;
  sec?: number;
}

/** Resets that fail: `grp=0 pu=* chk=3 resetfail_prob=50` (also `resetfail=`, `prob=`), in percent. */
export function parseResetFail(text: string, counts: ChunkCounts): FileResult<ChunkFault> {
  return parseLines('--reset-fail', text, (fields) =>
    fault(fields, counts, ['resetfail_prob', 'resetfail', 'prob'], false),
  );
}

/** Writes that fail: `grp=0 pu=1 chk=3 sec=8 writefail_prob=100` (also `writefail=`, `prob=`), in percent. */
export function parseWriteFail(text: string, counts: ChunkCounts): FileResult<ChunkFault> {
  return parseLines('--write-fail', text, (fields) =>
    fault(fields, counts, ['writefail_prob', 'writefail', 'prob'], true),
  );
}

/**
 * States that chunks of a new disk begin with: `grp=0 pu=0 chk=1 state=OPEN wp=8 wi=3 type=W_SEQ`. The wear is
 * `wi` (0 to 255) or `pe_cycles`; `cnlb` can only be the chunk's size.
 */
export function parseChunkInfo(text: string, counts: ChunkCounts): FileResult<InitialChunk> {
  return parseLines('--chunk-info', text, (fields) => chunkInfo(fields, counts));
}

function parseLines<T>(
  name: string,
  text: string,
  parse: (fields: Map<string, string>) => T | Wrong,
): FileResult<T> {
  const lines = text.split(/\r\n?|\n/);
  if (lines.length > MAX_LINES) {
    return {
      ok: false,
      error: `The file of ${name} has ${lines.length} lines: at most ${MAX_LINES} are read, and * in place of a number stands for all.`,
    };
  }
  const items: T[] = [];
  for (const [index, line] of lines.entries()) {
    const words = line.replace(/#.*$/, '').trim();
    if (words === '') continue;
    const fields = fieldsOf(words);
    const item = fields instanceof Wrong ? fields : parse(fields);
    if (item instanceof Wrong) {
      return { ok: false, error: `Line ${index + 1} of the file of ${name}: ${item.why}.` };
    }
    items.push(item);
  }
  return { ok: true, items };
}

function fieldsOf(words: string): Map<string, string> | Wrong {
  const fields = new Map<string, string>();
  for (const word of words.split(/[\s,]+/).filter((part) => part !== '')) {
    const at = word.indexOf('=');
    if (at < 1) return new Wrong(`${shown(word)} is no name=value, as in chk=3`);
    const given = word.slice(0, at).toLowerCase();
    const name = PLACE_NAMES.get(given) ?? given;
    if (fields.has(name)) return new Wrong(`${shown(given)} is there twice; once works`);
    fields.set(name, word.slice(at + 1));
  }
  return fields;
}

function take(fields: Map<string, string>, name: string): string | undefined {
  const value = fields.get(name);
  fields.delete(name);
  return value;
}

function whole(name: string, text: string, min: number, max: number): number | Wrong {
  const value = /^(\d{1,10}|0x[\da-f]{1,8})$/i.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max
    ? value
    : new Wrong(`${name}=${shown(text)} is not a whole number from ${min} to ${max}`);
}

/** The parts of a place, and checks that it is on the disk and in its only namespace. */
function placeOf(fields: Map<string, string>, counts: ChunkCounts, withSector: boolean): Place | Wrong {
  const ns = take(fields, 'ns') ?? take(fields, 'nsid');
  if (ns !== undefined && ns !== '1' && ns !== '*')
    return new Wrong(`ns=${shown(ns)} is not there; the disk is namespace 1`);
  const place: Place = {};
  for (const part of ['grp', 'pu', 'chk', 'sec'] as const) {
    const text = take(fields, part);
    if (text === undefined || text === '*') continue;
    if (part === 'sec' && !withSector) return new Wrong('sec is only for writes that fail; leave it out');
    const value = whole(part, text, 0, counts[part] - 1);
    if (value instanceof Wrong) return value;
    place[part] = value;
  }
  return place;
}

function rest(fields: Map<string, string>, known: string): Wrong | undefined {
  const [left] = fields.keys();
  return left === undefined ? undefined : new Wrong(`${shown(left)} means nothing here; ${known} do`);
}

function fault(
  fields: Map<string, string>,
  counts: ChunkCounts,
  names: readonly string[],
  withSector: boolean,
): ChunkFault | Wrong {
  const place = placeOf(fields, counts, withSector);
  if (place instanceof Wrong) return place;
  const name = names.find((one) => fields.has(one));
  if (name === undefined) {
    const [usual = ''] = names;
    return (
      rest(fields, `grp, pu, chk${withSector ? ', sec' : ''} and ${usual}`) ??
      new Wrong(`it does not say how often: ${usual}=100 means always`)
    );
  }
  const percent = whole(name, take(fields, name) ?? '', 0, 100);
  if (percent instanceof Wrong) return percent;
  return rest(fields, `grp, pu, chk${withSector ? ', sec' : ''} and ${name}`) ?? { ...place, percent };
}

function chunkInfo(fields: Map<string, string>, counts: ChunkCounts): InitialChunk | Wrong {
  const place = placeOf(fields, counts, false);
  if (place instanceof Wrong) return place;
  const stateText = take(fields, 'state');
  const state = stateText === undefined ? undefined : STATES.get(stateText.toUpperCase());
  if (stateText !== undefined && state === undefined)
    return new Wrong(`state=${shown(stateText)} is none of FREE, OPEN, CLOSED and OFFLINE`);
  const type = take(fields, 'type');
  if (type !== undefined && !SEQUENTIAL.has(type.toUpperCase()))
    return new Wrong(
      `type=${shown(type)} is not possible because all chunks are written sequentially: W_SEQ works`,
    );
  const cnlb = take(fields, 'cnlb');
  if (cnlb !== undefined && whole('cnlb', cnlb, counts.sec, counts.sec) instanceof Wrong)
    return new Wrong(`cnlb=${shown(cnlb)} is not possible because all chunks have ${counts.sec} sectors`);
  const wearIndex = wearOf(fields, counts);
  if (wearIndex instanceof Wrong) return wearIndex;
  const writePointer = writePointerOf(fields, counts, state);
  if (writePointer instanceof Wrong) return writePointer;
  return (
    rest(fields, 'grp, pu, chk, state, wi, wp and type') ?? {
      ...place,
      ...(state === undefined ? {} : { state }),
      ...(wearIndex === undefined ? {} : { wearIndex }),
      ...(writePointer === undefined ? {} : { writePointer }),
    }
  );
}

function wearOf(fields: Map<string, string>, counts: ChunkCounts): number | undefined | Wrong {
  const name = ['wi', 'wear_index', 'wear'].find((one) => fields.has(one));
  if (name !== undefined) return whole(name, take(fields, name) ?? '', 0, 255);
  const cycles = take(fields, 'pe_cycles');
  if (cycles === undefined) return undefined;
  const value = whole('pe_cycles', cycles, 0, counts.peCycles);
  return value instanceof Wrong || counts.peCycles === 0
    ? value
    : Math.floor((value * 255) / counts.peCycles);
}

/** Only open chunks have one that says something; the others' follows from their state. */
function writePointerOf(
  fields: Map<string, string>,
  counts: ChunkCounts,
  state: InitialChunk['state'],
): number | undefined | Wrong {
  const text = take(fields, 'wp');
  if (state !== 'open') {
    if (text !== undefined && state === 'free' && text !== '0')
      return new Wrong(`wp=${shown(text)} is not possible for a chunk that is FREE: wp=0 works`);
    if (text !== undefined && state === undefined)
      return new Wrong('wp says nothing without state=OPEN; leave it out');
    return undefined;
  }
  const last = counts.sec - counts.wsMin;
  if (text === undefined)
    return new Wrong(`state=OPEN needs wp, the sectors written: wp=${Math.min(counts.wsMin, last)} works`);
  const wp = whole('wp', text, 0, last);
  if (wp instanceof Wrong || wp % counts.wsMin === 0) return wp;
  return new Wrong(
    `wp=${wp} is not a multiple of the ${counts.wsMin} sectors of the smallest write: wp=${wp - (wp % counts.wsMin)} works`,
  );
}
