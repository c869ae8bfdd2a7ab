import { describe, expect, it } from 'vitest';
import { hasLab, pageKind } from './page-kind.ts';

describe('what a page shows', () => {
  it.each([
    ['', { kind: 'lab' }, true],
    ['?preset=gc', { kind: 'lab' }, true],
    ['?replay=a.lnvm', { kind: 'replay', url: 'a.lnvm' }, false],
    ['?replay=', { kind: 'replay', url: '' }, false],
    ['?side=left&line=x', { kind: 'side', id: 'left' }, true],
    ['?side=right&replay=', { kind: 'side', id: 'right' }, false],
    ['?side=top', { kind: 'lab' }, true],
    ['?beside&left=preset%3Dgc', { kind: 'beside' }, false],
    ['?beside&side=left', { kind: 'beside' }, false],
  ])('%s', (search, kind, lab) => {
    expect(pageKind(search)).toEqual(kind);
    expect(hasLab(search)).toBe(lab);
  });
});
