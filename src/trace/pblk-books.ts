/**
 * What pblk writes about itself, read back from the wire: the head of a line (smeta) and its end (emeta).
 * drivers/lightnvm/pblk.h of Linux 5.10: struct line_header, line_smeta, line_emeta, wa_counters; i386 aligns
 * their 64-bit fields to 4 bytes.
 */

/** PBLK_MAGIC. */
const MAGIC = 0x70626c6b;
/** PBLK_LINETYPE_DATA. */
const LINETYPE_DATA = 2;
const SMETA_BYTES = 60;
/** sizeof(struct line_emeta), which the bitmap of bad blocks follows. */
const EMETA_BYTES = 72;
const WA_BYTES = 24;

interface Header {
  /** The target's instance, 32 hexadecimal digits. */
  readonly uuid: string;
  /** Line number: the chunk's number in every LUN. */
  readonly line: number;
  readonly prevLine: number;
  /** Counts the lines that the instance opened. */
  readonly seqNr: number;
}

export interface Smeta extends Header {
  /** LUNs of the target (window_wr_lun; emeta leaves it 0). */
  readonly luns: number;
}

export interface Emeta extends Header {
  readonly nextLine: number;
  /** Sectors of the line that hold a logical block, valid or not. */
  readonly nrValidLbas: number;
  /** pblk's own counters when the line was closed, in sectors. */
  readonly userSecs: number;
  readonly gcSecs: number;
  readonly padSecs: number;
}

/** Whether a sector begins as pblk's books do: cheap enough to ask of every sector. */
export function looksLikeBooks(bytes: Uint8Array, at = 0): boolean {
  // "pblk" as a little-endian word behind the checksum.
  return bytes[at + 4] === 0x6b && bytes[at + 5] === 0x6c && bytes[at + 6] === 0x62 && bytes[at + 7] === 0x70;
}

function header(view: DataView): Header | undefined {
  if (view.getUint32(4, true) !== MAGIC || view.getUint16(24, true) !== LINETYPE_DATA) return undefined;
  let uuid = '';
  for (let i = 8; i < 24; i++) uuid += view.getUint8(i).toString(16).padStart(2, '0');
  return {
    uuid,
    line: view.getUint32(28, true),
    prevLine: view.getUint32(36, true),
    seqNr: u64(view, 40),
  };
}

/** The head of a line; undefined for a sector that is none. */
export function parseSmeta(bytes: Uint8Array): Smeta | undefined {
  if (bytes.length < SMETA_BYTES) return undefined;
  const view = viewOf(bytes);
  const head = header(view);
  return head && { ...head, luns: view.getUint32(48, true) };
}

/** The first sector of a line's end, of a target of so many LUNs; undefined for a sector that is none. */
export function parseEmeta(bytes: Uint8Array, luns: number): Emeta | undefined {
  if (bytes.length < EMETA_BYTES) return undefined;
  const view = viewOf(bytes);
  const head = header(view);
  if (!head) return undefined;
  // emeta_to_wa adds a length in bytes to a pointer to 64-bit numbers.
  const waAt = EMETA_BYTES + 8 * Math.ceil(luns / 32) * 4;
  if (bytes.length < waAt + WA_BYTES) return undefined;
  return {
    ...head,
    nextLine: view.getUint32(52, true),
    nrValidLbas: u64(view, 64),
    userSecs: u64(view, waAt),
    gcSecs: u64(view, waAt + 8),
    padSecs: u64(view, waAt + 16),
  };
}

export interface LineSizes {
  readonly secsPerLine: number;
  readonly smetaSecs: number;
  /** The whole end of a line; its first `emetaHeadSecs` come before the list of logical addresses. */
  readonly emetaSecs: number;
  readonly emetaHeadSecs: number;
}

/**
 * pblk-init.c pblk_line_meta_init and calc_emeta_len. The list of valid-sector counts takes no room there: its
 * length is computed before the number of lines is known. Undefined when the kernel's loop would not end.
 */
export function lineSizes(
  secsPerChk: number,
  luns: number,
  wsOpt: number,
  secSizeBytes: number,
): LineSizes | undefined {
  const secsPerLine = secsPerChk * luns;
  const lunBitmapBytes = Math.ceil(luns / 32) * 4;
  const smetaSecs = Math.ceil((SMETA_BYTES + lunBitmapBytes) / (wsOpt * secSizeBytes)) * wsOpt;
  const emetaHeadSecs = Math.ceil((EMETA_BYTES + lunBitmapBytes + WA_BYTES) / secSizeBytes);
  for (let emetaSecs = wsOpt; emetaSecs < secsPerLine; emetaSecs += wsOpt) {
    const listSecs = Math.ceil(((secsPerLine - emetaSecs) * 8) / secSizeBytes);
    if (emetaHeadSecs + listSecs <= emetaSecs) return { secsPerLine, smetaSecs, emetaSecs, emetaHeadSecs };
  }
  return undefined;
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const u64 = (view: DataView, at: number) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
