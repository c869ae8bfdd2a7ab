/**
 * Bytes as lines of text, as `hexdump -C` prints them: an offset, the bytes, and what of them can be read.
 * Lines that repeat the one before are folded into a star.
 */
export interface HexRow {
  /** Offset of its first byte; -1 for a star. */
  readonly offset: number;
  readonly text: string;
}

/** Where the columns begin, in letters. */
export function hexColumns(perRow: number, offsetDigits: number) {
  const hexAt = offsetDigits + 1;
  const textAt = hexAt + perRow * 3;
  return { hexAt, textAt, width: textAt + perRow };
}

export const offsetDigits = (length: number): number => (length > 0x1000 ? 4 : 3);

/** @param unknown bytes that nobody recorded: dots stand for them */
export function hexRows(bytes: Uint8Array, perRow: number, unknown: ReadonlySet<number>): HexRow[] {
  const rows: HexRow[] = [];
  const digits = offsetDigits(bytes.length);
  let before = '';
  let folded = false;
  for (let offset = 0; offset < bytes.length; offset += perRow) {
    let hex = '';
    let text = '';
    for (let i = offset; i < Math.min(offset + perRow, bytes.length); i++) {
      const byte = bytes[i] as number;
      hex += unknown.has(i) ? '·· ' : `${byte.toString(16).padStart(2, '0')} `;
      // Bytes of the guest are text only when they are plain ASCII.
      text += !unknown.has(i) && byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
    }
    const isLast = offset + perRow >= bytes.length;
    if (hex === before && !isLast) {
      if (!folded) rows.push({ offset: -1, text: '*' });
      folded = true;
      continue;
    }
    folded = false;
    before = hex;
    rows.push({
      offset,
      text: `${offset.toString(16).padStart(digits, '0')} ${hex.padEnd(perRow * 3)}${text}`,
    });
  }
  return rows;
}

/** A highlight: so many letters of a row, from a column on. */
export interface HexBox {
  readonly row: number;
  readonly column: number;
  readonly letters: number;
}

/** What to light up for some bytes: their digits, and their letters. */
export function hexBoxes(
  rows: readonly HexRow[],
  perRow: number,
  digits: number,
  from: number,
  count: number,
): HexBox[] {
  const { hexAt, textAt } = hexColumns(perRow, digits);
  const boxes: HexBox[] = [];
  for (const [row, { offset }] of rows.entries()) {
    if (offset < 0 || offset + perRow <= from || offset >= from + count) continue;
    const first = Math.max(0, from - offset);
    const last = Math.min(perRow, from + count - offset);
    boxes.push({ row, column: hexAt + first * 3, letters: (last - first) * 3 - 1 });
    boxes.push({ row, column: textAt + first, letters: last - first });
  }
  return boxes;
}

/** The byte under a letter of a row; undefined beside the bytes. */
export function byteAt(
  row: HexRow | undefined,
  column: number,
  perRow: number,
  digits: number,
): number | undefined {
  if (!row || row.offset < 0) return undefined;
  const { hexAt, textAt } = hexColumns(perRow, digits);
  const inRow = column >= textAt ? column - textAt : column >= hexAt ? Math.floor((column - hexAt) / 3) : -1;
  return inRow >= 0 && inRow < perRow ? row.offset + inRow : undefined;
}
