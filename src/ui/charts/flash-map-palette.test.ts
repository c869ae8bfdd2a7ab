import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { contrast, mix, packPixel, parseHex } from './flash-map-palette.ts';

const css = readFileSync(new URL('../styles/tokens.css', import.meta.url), 'utf8');

/** The tokens of one theme: those common to both, overwritten by its own block. */
function tokens(theme: 'light' | 'dark'): (name: string) => string {
  const values = new Map<string, string>();
  for (const [, selector = '', body = ''] of css.matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
    const applies = !selector.includes('data-theme') || selector.includes(`'${theme}'`);
    if (!applies) continue;
    for (const [, name = '', value = ''] of body.matchAll(/(--[\w-]+):\s*([^;]+);/g)) values.set(name, value);
  }
  return (name) => values.get(name) ?? '';
}

describe('colours', () => {
  it('reads and mixes hex colours', () => {
    expect(parseHex('#0072b2')).toEqual([0, 0x72, 0xb2]);
    expect(parseHex('red')).toEqual([0, 0, 0]);
    expect(mix('#000000', '#ffffff', 0.5)).toBe('#808080');
    expect(packPixel('#0072b2')).toBe(0xffb27200);
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
  });

  for (const theme of ['light', 'dark'] as const) {
    const of = tokens(theme);

    it(`text is readable in the ${theme} theme (4.5:1)`, () => {
      for (const ground of ['--surface', '--surface-raised', '--surface-sunken', '--bg']) {
        for (const text of ['--text', '--text-muted', '--accent', '--good', '--warn', '--bad']) {
          expect(contrast(of(text), of(ground)), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
        }
      }
      for (const tone of ['good', 'warn', 'bad', 'accent']) {
        expect(contrast(of(`--${tone}`), of(`--${tone}-soft`)), tone).toBeGreaterThanOrEqual(4.5);
      }
      expect(contrast(of('--accent-text'), of('--accent'))).toBeGreaterThanOrEqual(4.5);
    });

    it(`states stand out from free cells in the ${theme} theme (3:1)`, () => {
      for (const state of ['--state-open', '--state-closed', '--state-offline']) {
        expect(contrast(of(state), of('--state-free')), state).toBeGreaterThanOrEqual(3);
        expect(contrast(of(state), of('--map-surface')), state).toBeGreaterThanOrEqual(3);
        expect(contrast(of('--on-state'), of(state)), `sign on ${state}`).toBeGreaterThanOrEqual(3);
      }
    });
  }
});
