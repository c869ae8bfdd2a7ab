import { looksLikeBooks } from './pblk-books.ts';
import { decode, type DecodedField, type FieldSpec, whole } from './fields.ts';
import { Lba } from './record.ts';

const HEADER = 'struct line_header, drivers/lightnvm/pblk.h';
const SMETA = 'struct line_smeta, drivers/lightnvm/pblk.h';
const EMETA = 'struct line_emeta, drivers/lightnvm/pblk.h';
const COUNTERS = 'struct wa_counters, drivers/lightnvm/pblk.h';
const SEC_META = 'struct pblk_sec_meta, drivers/lightnvm/pblk.h';
const EMPTY_64 = 'f'.repeat(16);
/** sizeof(struct line_emeta) on i386, which the bitmap of bad blocks follows. */
const EMETA_BYTES = 72;
/** More LUNs than any device of ours: what says so is no head of a line. */
const MAX_LUNS = 65_536;

/** The line before the first, and after the last: EMPTY_ENTRY. */
const lineOrNone = (value: number): string => (value === 0xffff_ffff ? 'none' : `line ${value}`);

const header: readonly FieldSpec[] = [
  whole('crc', 0, 4),
  whole('identifier', 4, 4, (value) => (value === 0x70626c6b ? '“pblk”' : '')),
  whole('uuid', 8, 16),
  whole('type', 24, 2, (value) => ({ 1: 'log', 2: 'data' })[value] ?? ''),
  whole('version_major', 26, 1),
  whole('version_minor', 27, 1),
  whole('id', 28, 4, lineOrNone),
];

/** The two checksums, the line before, the sequence number and the LUNs: alike in smeta and emeta. */
const body: readonly FieldSpec[] = [
  whole('crc', 32, 4),
  whole('prev_id', 36, 4, lineOrNone),
  whole('seq_nr', 40, 8, (value) => `${value}`),
  whole('window_wr_lun', 48, 4, (value) => `${value} LUNs`),
];

const bitmapWords = (luns: number): number => Math.ceil(luns / 32);

/** The head of a line. Empty for bytes that are none. */
export function decodeSmeta(bytes: Uint8Array): DecodedField[] {
  if (!looksLikeBooks(bytes)) return [];
  const luns = Math.min(MAX_LUNS, u32(bytes, 48));
  return [
    ...decode(bytes, header, HEADER),
    ...decode(bytes, [...body, whole('rsvd', 52, 8), whole('lun_bitmap', 60, bitmapWords(luns) * 4)], SMETA),
  ];
}

/**
 * The first sector of a line's end: head, bad blocks, write amplification. Empty for bytes that are none.
 * @param luns of the target: pblk leaves window_wr_lun of emeta at 0
 */
export function decodeEmeta(bytes: Uint8Array, luns: number): DecodedField[] {
  if (!looksLikeBooks(bytes)) return [];
  const sectors = (value: number): string => `${value} sectors`;
  // emeta_to_wa adds a length in bytes to a pointer to 64-bit words: the counters are eight times as far.
  const countersAt = EMETA_BYTES + bitmapWords(luns) * 4 * 8;
  return [
    ...decode(bytes, header, HEADER),
    ...decode(
      bytes,
      [
        ...body,
        whole('next_id', 52, 4, lineOrNone),
        whole('nr_lbas', 56, 8, sectors),
        whole('nr_valid_lbas', 64, 8, sectors),
        whole('bb_bitmap', EMETA_BYTES, bitmapWords(luns) * 4),
      ],
      EMETA,
    ),
    ...decode(
      bytes,
      [
        whole('user', countersAt, 8, sectors),
        whole('gc', countersAt + 8, 8, sectors),
        whole('pad', countersAt + 16, 8, sectors),
      ],
      COUNTERS,
    ),
  ];
}

/** A sector of the list of logical addresses, of which the first is that of position `first` of the line. */
export function decodeLbaList(bytes: Uint8Array, first: number, last: number): DecodedField[] {
  const specs: FieldSpec[] = [];
  for (let at = 0, position = first; at + 8 <= bytes.length && position < last; at += 8, position++)
    specs.push(whole(`lbas[${position}]`, at, 8, lba));
  return decode(bytes, specs, EMETA);
}

const lba = (value: number, hex: string): string => {
  if (hex === EMPTY_64) return 'ADDR_EMPTY: no logical block';
  return value < Lba.empty ? `LBA ${value}` : '';
};

/** The out-of-band bytes of a sector as pblk fills them. */
export function decodeOob(bytes: Uint8Array): DecodedField[] {
  return decode(bytes, [whole('reserved', 0, 8), whole('lba', 8, 8, lba)], SEC_META);
}

function u32(bytes: Uint8Array, at: number): number {
  return bytes.length < at + 4
    ? 0
    : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);
}
