import { describe, expect, it } from 'vitest';
import { buildConfig } from '../device-line.ts';
import { presets } from '../presets.ts';
import { continueLines } from './continue-lines.ts';

describe('lines to continue elsewhere', () => {
  it.each(presets.filter(({ id }) => id !== 'plain'))('of $id make the same disk', ({ line, sizeBytes }) => {
    const built = buildConfig(line, sizeBytes);
    if (!built.ok) throw new Error(built.error);
    const { geometry, kind } = built.result;
    const lines = continueLines(line, sizeBytes, 'my,disk.img');
    expect(lines?.format).toBe(kind === 'ocssd20' ? 'ocssd' : 'raw12');
    expect(lines?.qemu).toContain('my,,disk.img');
    if (kind === 'ocssd12') {
      // What the line makes is what is here; the counts of 2.0 are in the image.
      const again = buildConfig(lines?.qemu ?? '', sizeBytes);
      expect(again.ok && again.result.geometry).toEqual(geometry);
      expect(again.ok && again.result.dialect).toMatch(/branch ocssd12/);
    } else {
      expect(lines?.qemu).toMatch(/-blockdev ocssd,.*file\.filename=my,,disk\.img/);
    }
    const femu = buildConfig(lines?.femu ?? '', sizeBytes);
    if (!femu.ok) throw new Error(femu.error);
    expect(femu.result.dialect).toMatch(/^FEMU/);
    const counts = ({ numCh, numLun, numPln, numChk, numPg, secsPerPg }: typeof geometry) => [
      numCh,
      numLun,
      numPln,
      numChk,
      numPg * secsPerPg,
    ];
    expect(counts(femu.result.geometry)).toEqual(counts(geometry));
  });

  it('are none for a plain disk and a line that is none', () => {
    expect(continueLines('nvme,serial=x,lver=0', 2 ** 30, 'x')).toBeUndefined();
    expect(continueLines('ide', 2 ** 30, 'x')).toBeUndefined();
  });

  it('leave FEMU out where it cannot have the shape', () => {
    const line =
      'qemu-img create -f ocssd -o num_grp=2,num_pu=2,num_chk=12,num_sec=4 a.img\n-device nvme,drive=a,serial=x,learly_reset=0,lws_opt=4';
    const built = buildConfig(line, 0);
    if (!built.ok) throw new Error(built.error);
    const lines = continueLines(line, built.result.sizeBytes, 'a.img');
    expect(lines?.femu).toBeUndefined();
    expect(lines?.qemu).toMatch(/learly_reset=0$/);
  });
});
