import { describe, expect, it } from 'vitest';
import type { Figures } from '../lab-api-trace.ts';
import { compared } from './compare.ts';

const target = (uuid: string, userSecs: number, gcSecs: number, paddingSecs: number, metaSecs: number) => ({
  uuid,
  disk: '',
  userSecs,
  gcSecs,
  paddingSecs,
  metaSecs,
});
const figures = (erases: number, targets: Figures['targets'], free = 10): Figures => ({
  timeUs: 0,
  command: 0,
  secSizeBytes: 4096,
  targets,
  chunks: { free, open: 1, closed: free === 0 ? 0 : 2, offline: 0 },
  erases,
});

describe('what is compared', () => {
  it('is what happened between two moments', () => {
    const before = figures(5, [target('a', 100, 10, 4, 8)]);
    const now = figures(9, [target('a', 300, 60, 4, 16), target('b', 100, 0, 46, 8)]);
    expect(compared(now, before)).toEqual({
      user: 300,
      gc: 50,
      padding: 46,
      meta: 16,
      amplification: (300 + 50 + 46) / 300,
      erases: 4,
      free: 10,
      open: 1,
      closed: 2,
      offline: 0,
    });
  });

  it('is all there is without an earlier moment, and no ratio to nothing', () => {
    expect(compared(figures(9, []), undefined)).toMatchObject({
      user: 0,
      amplification: undefined,
      erases: 9,
    });
  });

  it('is nothing for a plain disk', () => {
    const plain = { ...figures(0, []), chunks: { free: 0, open: 0, closed: 0, offline: 0 } };
    expect(compared(plain, undefined)).toMatchObject({ user: undefined, erases: undefined, free: undefined });
  });
});
