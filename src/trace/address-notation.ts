import { AddressDecoder, blockAddress, blockIndex, type SectorAddress } from '../flash/address.ts';
import { ChunkAddressDecoder } from '../flash/chunk-address.ts';
import { deriveGeometry } from '../flash/geometry.ts';
import type { TraceShape } from './record.ts';

/** All the ways in which the place of one sector is written down. */
export interface SectorNotations {
  readonly place: SectorAddress;
  /** Sector of its chunk, as 2.0 counts. */
  readonly chunkSec: number;
  /** The address as vector commands carry it: physical page address (1.2) or logical block address (2.0). */
  readonly wire: number;
  /** Sector of the whole namespace, as a plain read (02h) counts. */
  readonly rawSector: number;
  /** Where `dd if=/dev/nvme0n1` finds it. */
  readonly byteOffset: number;
}

/** Which sector of a device: the block (one plane of one chunk) and the sector in it. */
export interface SectorOfBlock {
  readonly block: number;
  readonly sec: number;
}

/** Writes and reads addresses of one device. */
export class AddressBook {
  readonly shape: TraceShape;
  private readonly decoder: AddressDecoder | ChunkAddressDecoder;
  private readonly secsPerBlk: number;

  constructor(shape: TraceShape) {
    this.shape = shape;
    const g = deriveGeometry(shape);
    this.secsPerBlk = g.secsPerBlk;
    this.decoder = shape.kind === 'ocssd20' ? new ChunkAddressDecoder(g) : new AddressDecoder(shape);
  }

  place({ block, sec }: SectorOfBlock): SectorAddress {
    const { ch, lun, chk, pln } = blockAddress(this.shape, block);
    const inPage = sec % this.shape.secsPerPg;
    return { ch, lun, pln, chk, pg: (sec - inPage) / this.shape.secsPerPg, sec: inPage };
  }

  notations(at: SectorOfBlock): SectorNotations {
    const place = this.place(at);
    const wire = this.decoder.encode(place);
    const rawSector = this.shape.kind === 'ocssd20' ? wire : this.plainLba(place);
    const { secsPerPg, numPln } = this.shape;
    return {
      place,
      chunkSec: place.pg * secsPerPg * numPln + place.pln * secsPerPg + place.sec,
      wire,
      rawSector,
      byteOffset: rawSector * this.shape.secSizeBytes,
    };
  }

  /** The sector that an address of a vector command means; undefined outside the device. */
  fromWire(address: number): SectorOfBlock | undefined {
    const low = address % 2 ** 32;
    const inside = this.decoder.decode(low, (address - low) / 2 ** 32);
    return inside ? { block: this.decoder.block, sec: this.decoder.sec } : undefined;
  }

  fromByteOffset(bytes: number): SectorOfBlock | undefined {
    const rawSector = Math.floor(bytes / this.shape.secSizeBytes);
    if (this.shape.kind === 'ocssd20') return this.fromWire(rawSector);
    const { secsPerPg, numPln, numPg, numChk, numLun, numCh } = this.shape;
    let rest = rawSector;
    const take = (count: number): number => {
      const part = rest % count;
      rest = (rest - part) / count;
      return part;
    };
    const sec = take(secsPerPg);
    const pln = take(numPln);
    const pg = take(numPg);
    const chk = take(numChk);
    const lun = take(numLun);
    if (rest >= numCh) return undefined;
    return { block: blockIndex(this.shape, rest, lun, chk, pln), sec: pg * secsPerPg + sec };
  }

  /** A place given part by part. Without page and sector it is the chunk's first one; undefined outside. */
  fromParts(parts: PlaceParts): SectorOfBlock | undefined {
    const { shape } = this;
    const { ch, lun, chk, pln = 0, pg, sec = 0 } = parts;
    if (ch >= shape.numCh || lun >= shape.numLun || chk >= shape.numChk || pln >= shape.numPln)
      return undefined;
    // Without a page, the sector counts from the beginning of the block, as in 2.0.
    const inBlock = pg === undefined ? sec : pg * shape.secsPerPg + sec;
    if (pg !== undefined && (pg >= shape.numPg || sec >= shape.secsPerPg)) return undefined;
    if (inBlock >= this.secsPerBlk) return undefined;
    return { block: blockIndex(shape, ch, lun, chk, pln), sec: inBlock };
  }

  /** Plain reads of 1.2 number the sectors through: LUN by LUN, chunk by chunk, page by page, plane by plane. */
  private plainLba({ ch, lun, pln, chk, pg, sec }: SectorAddress): number {
    const { numLun, numChk, numPg, numPln, secsPerPg } = this.shape;
    return ((((ch * numLun + lun) * numChk + chk) * numPg + pg) * numPln + pln) * secsPerPg + sec;
  }
}

export interface PlaceParts {
  readonly ch: number;
  readonly lun: number;
  readonly chk: number;
  readonly pln?: number;
  readonly pg?: number;
  readonly sec?: number;
}

/** What somebody typed into the search box. */
export type Query =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'command'; readonly number: number }
  /** Logical blocks of a target, both ends included. */
  | { readonly kind: 'lba'; readonly first: number; readonly last: number }
  | { readonly kind: 'place'; readonly parts: PlaceParts; readonly isChunk: boolean }
  | { readonly kind: 'wire'; readonly address: number }
  | { readonly kind: 'line'; readonly line: number; readonly position?: number }
  | { readonly kind: 'offset'; readonly bytes: number }
  | { readonly kind: 'file'; readonly path: string }
  /** It begins like something that is known here, and goes on otherwise. */
  | { readonly kind: 'wrong'; readonly like: 'command' | 'lba' | 'place' | 'wire' | 'line' | 'offset' };

/** Words for the parts of a place, in the language of 1.2, of 2.0, and of people. */
const parts: Readonly<Record<string, keyof PlaceParts>> = {
  ch: 'ch',
  channel: 'ch',
  grp: 'ch',
  group: 'ch',
  lun: 'lun',
  pu: 'lun',
  chk: 'chk',
  chunk: 'chk',
  blk: 'chk',
  block: 'chk',
  pln: 'pln',
  pl: 'pln',
  plane: 'pln',
  pg: 'pg',
  page: 'pg',
  sec: 'sec',
  sector: 'sec',
};

/** "12", "0xc", "0ch"; undefined for what is no whole number below 2^53. */
function number(text: string): number | undefined {
  const found = /^(?:0x([0-9a-f]+)|([0-9][0-9a-f]*)h|([0-9]+))$/i.exec(text.replaceAll(/[,_](?=\d{3})/g, ''));
  if (!found) return undefined;
  const hex = found[1] ?? found[2];
  const value = hex === undefined ? Number(found[3]) : parseInt(hex, 16);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** What a text asks for. Anything that is nothing else is the name of a file. */
export function parseQuery(text: string): Query {
  const asked = text.trim();
  if (asked === '') return { kind: 'nothing' };
  const lower = asked.toLowerCase();
  if (lower.startsWith('#')) {
    const value = number(lower.slice(1).trim());
    return value === undefined || value < 1
      ? { kind: 'wrong', like: 'command' }
      : { kind: 'command', number: value };
  }
  // "lba 7" and "lba7", but not a file named lba.txt.
  const word = /^(command|cmd|lba|ppa|line|offset|byte)(?:$|[\s:=#]+(.*)$|(?=\d)(.*)$)/.exec(lower);
  if (word) return worded(word[1] ?? '', (word[2] ?? word[3] ?? '').trim());
  if (/^\d+(\/\d+){2,5}$/.test(lower)) return slashed(lower.split('/').map(Number));
  // A chunk, or a sector of one: every word of it is a part and a number.
  const pairs = [...lower.matchAll(/([a-z]+)\s*[:=]?\s*(\d+)/g)];
  const isPlace =
    /^([a-z]+\s*[:=]?\s*\d+[\s,;/·.]*)+$/.test(lower) && pairs.every(([, name = '']) => name in parts);
  if (isPlace) return placed(pairs.map(([, name = '', value = '']) => [parts[name] ?? 'ch', Number(value)]));
  const bare = number(lower);
  if (bare === undefined) return { kind: 'file', path: asked };
  return lower.startsWith('0x') || lower.endsWith('h')
    ? { kind: 'wire', address: bare }
    : { kind: 'lba', first: bare, last: bare };
}

function worded(word: string, rest: string): Query {
  switch (word) {
    case 'command':
    case 'cmd': {
      const value = number(rest);
      return value === undefined || value < 1
        ? { kind: 'wrong', like: 'command' }
        : { kind: 'command', number: value };
    }
    case 'lba': {
      const [from = '', to = from, more] = rest.split(/\s*(?:-|–|\.\.+|to)\s*/);
      const first = number(from);
      const last = number(to);
      if (first === undefined || last === undefined || last < first || more !== undefined)
        return { kind: 'wrong', like: 'lba' };
      return { kind: 'lba', first, last };
    }
    case 'ppa': {
      // Nobody writes these in decimal.
      const value = /^(0x)?[0-9a-f]+h?$/.test(rest) ? parseInt(rest.replace(/^0x|h$/g, ''), 16) : NaN;
      return Number.isSafeInteger(value) ? { kind: 'wire', address: value } : { kind: 'wrong', like: 'wire' };
    }
    case 'line': {
      const [line, position] = rest.split(/[\s:,·]+(?:pos(?:ition)?\s*)?/).map(number);
      if (line === undefined) return { kind: 'wrong', like: 'line' };
      return position === undefined ? { kind: 'line', line } : { kind: 'line', line, position };
    }
    default: {
      const bytes = number(rest);
      return bytes === undefined ? { kind: 'wrong', like: 'offset' } : { kind: 'offset', bytes };
    }
  }
}

/** "0/1/7": channel, LUN, chunk. With four numbers the sector, as in 2.0; with six all that 1.2 has. */
function slashed(numbers: readonly number[]): Query {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = numbers;
  switch (numbers.length) {
    case 3:
      return { kind: 'place', parts: { ch: a, lun: b, chk: c }, isChunk: true };
    case 4:
      return { kind: 'place', parts: { ch: a, lun: b, chk: c, sec: d }, isChunk: false };
    case 6:
      return { kind: 'place', parts: { ch: a, lun: b, pln: c, chk: d, pg: e, sec: f }, isChunk: false };
    default:
      return { kind: 'wrong', like: 'place' };
  }
}

function placed(pairs: readonly (readonly [keyof PlaceParts, number])[]): Query {
  const given = Object.fromEntries(pairs) as Partial<Record<keyof PlaceParts, number>>;
  const { ch = 0, lun, chk } = given;
  // One channel is what most devices have; LUN and chunk are never understood of themselves.
  if (lun === undefined || chk === undefined || Object.keys(given).length !== pairs.length)
    return { kind: 'wrong', like: 'place' };
  const isChunk = given.pg === undefined && given.sec === undefined;
  return { kind: 'place', parts: { ...given, ch, lun, chk }, isChunk };
}
