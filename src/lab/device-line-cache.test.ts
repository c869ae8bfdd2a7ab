import { describe, expect, it } from 'vitest';
import { buildConfig } from './device-line.ts';

const SIZE = 8 * 2 ** 30;
const line = (drive: string) =>
  `qemu-system-x86_64 -m 4G -drive ${drive} -device nvme,drive=mynvme,serial=deadbeef,lver=1 ubuntu.raw`;

describe('the cache mode of a -drive', () => {
  it.each([
    [
      'file=blknvme,if=none,id=mynvme,cache=writeback',
      'writeback',
      /cache=writeback: a write is done at once/,
    ],
    ['cache=none,file=blknvme', 'writeback', /cache=none is writeback here/],
    ['file=a,cache=directsync', 'writethrough', /cache=directsync is writethrough here/],
    ['file=a,cache=unsafe', 'unsafe', /stay in memory/],
  ])('%s', (drive, cache, note) => {
    const built = buildConfig(line(drive), SIZE);
    expect(built).toMatchObject({ ok: true, result: { cache } });
    if (built.ok) expect(built.result.notes.join('\n')).toMatch(note);
  });

  it('is not there where none is given', () => {
    const built = buildConfig(line('file=blknvme,if=none,id=mynvme,mycache=x'), SIZE);
    expect(built.ok && built.result.cache).toBeUndefined();
    expect(buildConfig('nvme,serial=deadbeef,lver=1', SIZE)).toMatchObject({ ok: true });
  });

  it.each(['cache=fast', 'cache=', 'cache=__proto__'])('%s is answered in one sentence', (drive) => {
    const built = buildConfig(line(drive), SIZE);
    expect(built).toMatchObject({ ok: false, option: 'cache' });
    expect(built.ok ? '' : built.error).toMatch(/^cache=.* is no cache mode: writethrough, .* are\.$/);
  });
});
