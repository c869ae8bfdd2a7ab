import { describe, expect, it } from 'vitest';
import { transcriptOf } from './transcript.ts';

function buffer(rows: readonly (string | readonly [wrapped: string])[], columns = 10) {
  return {
    length: rows.length,
    getLine(y: number) {
      const row = rows[y];
      if (row === undefined) return undefined;
      const text = typeof row === 'string' ? row : row[0];
      return {
        isWrapped: typeof row !== 'string',
        translateToString: (trim?: boolean) => (trim ? text.trimEnd() : text.padEnd(columns)),
      };
    },
  };
}

describe('transcript', () => {
  it('is empty for an empty terminal', () => {
    expect(transcriptOf(buffer([]))).toBe('');
    expect(transcriptOf(buffer(['', '', '']))).toBe('');
  });

  it('trims lines and the empty end, keeps empty lines between', () => {
    expect(transcriptOf(buffer(['/ # ls  ', '', 'dev', '', '']))).toBe('/ # ls\n\ndev\n');
  });

  it('joins what was only wrapped, with the spaces at the seam', () => {
    expect(transcriptOf(buffer(['nvme lnvm ', ['create -d'], 'ok']))).toBe('nvme lnvm create -d\nok\n');
  });
});
