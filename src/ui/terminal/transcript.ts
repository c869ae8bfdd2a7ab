/** The part of xterm's buffer that a transcript needs (xterm's IBuffer). */
export interface TextBuffer {
  readonly length: number;
  getLine(
    y: number,
  ): { readonly isWrapped: boolean; translateToString(trimRight?: boolean): string } | undefined;
}

/** All that the terminal holds, as plain text: rows that were only wrapped are joined, the empty end is cut. */
export function transcriptOf(buffer: TextBuffer): string {
  const lines: string[] = [];
  for (let y = 0; y < buffer.length; y++) {
    const row = buffer.getLine(y);
    if (!row) continue;
    // A row that goes on in the next keeps its spaces: they are part of the line.
    const text = row.translateToString(!buffer.getLine(y + 1)?.isWrapped);
    if (row.isWrapped && lines.length > 0) lines[lines.length - 1] += text;
    else lines.push(text);
  }
  while (lines.at(-1) === '') lines.pop();
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
