import { describe, expect, it } from 'vitest';
import { parseDeviceLine } from '../../lab/device-line.ts';
import { DEFAULT_CMDLINE as labs } from '../../lab/guest-images.ts';
import { DEFAULT_CMDLINE, PRESETS, presetOf, TUTORIAL } from './defaults.ts';

describe('what a first visitor finds', () => {
  it('is the tutorial, and the parser takes it', () => {
    expect(TUTORIAL.line).toContain('lnum_lun=16');
    expect(presetOf(TUTORIAL.line, TUTORIAL.sizeBytes)).toBe('tutorial');
  });

  it('offers only presets that the parser takes', () => {
    for (const preset of PRESETS)
      expect(parseDeviceLine(preset.line, preset.sizeBytes), preset.id).toMatchObject({ ok: true });
  });

  it('shows the command line that the lab would use by itself', () => {
    expect(DEFAULT_CMDLINE).toBe(labs);
  });
});
