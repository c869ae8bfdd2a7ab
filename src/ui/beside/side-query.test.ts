import { describe, expect, it } from 'vitest';
import type { DiskRow } from '../../rpc/protocol.ts';
import { PRESETS } from '../state/defaults.ts';
import {
  besideUrl,
  diskFor,
  diskForLink,
  mistakesIn,
  readSide,
  sideUrl,
  wantedDevice,
  writeSide,
} from './side-query.ts';

const gc = PRESETS.find(({ id }) => id === 'gc') ?? { line: '', sizeBytes: 0 };
const disk = (id: string, name: string, line: string, sizeBytes: number): DiskRow => ({
  id,
  name,
  deviceLine: line,
  sizeBytes,
  storedBytes: 0,
  createdAtMs: 0,
  kept: 'indexeddb',
  open: false,
});

describe('a side in the address', () => {
  it('comes back as it went in, whatever is in the line', () => {
    const query = { line: 'nvme,serial=a&b=c,lver=1', sizeBytes: 3 * 2 ** 20, name: '4 LUNs' };
    expect(readSide(writeSide(query))).toEqual(query);
    const params = new URLSearchParams(besideUrl(query, { replay: 'a b.lnvmtrace' }).slice('./?'.length));
    expect(params.has('beside')).toBe(true);
    expect(readSide(params.get('left') ?? '')).toEqual(query);
    expect(readSide(params.get('right') ?? '')).toEqual({ replay: 'a b.lnvmtrace' });
  });

  it('sets apart what it does not know, and a size that is none', () => {
    expect(readSide('side=right&beside=&size=-3&preset=gc&kernel=x')).toEqual({
      preset: 'gc',
      rest: [
        ['size', '-3'],
        ['kernel', 'x'],
      ],
    });
    expect(sideUrl('left', {})).toBe('./?side=left');
    expect(sideUrl('right', readSide('preset=gc'))).toBe('./?side=right&preset=gc');
  });

  it('takes sizes as people write them', () => {
    expect(readSide('line=nvme&size=8G')).toEqual({ line: 'nvme', sizeBytes: 2 ** 33 });
  });

  it('asks for no device when its preset is unknown', () => {
    expect(wantedDevice({ preset: 'nothing' })).toBeUndefined();
    expect(wantedDevice({ preset: 'gc' })?.line).toBe(gc.line);
  });
});

describe('the disk of a side', () => {
  const left = disk('a', 'left gc', gc.line, gc.sizeBytes);
  const right = disk('b', 'right gc', gc.line, gc.sizeBytes);
  const other = disk('c', 'tutorial', 'nvme,lver=1', 8);

  it('is its own, never that of the other side', () => {
    expect(diskFor('left', { preset: 'gc' }, [right, other, left], undefined)).toBe(left);
    expect(diskFor('left', { preset: 'gc' }, [right, other], undefined)).toBeUndefined();
  });

  it('is the one it had last, if that is what is asked for', () => {
    const chosen = disk('d', 'mine', gc.line, gc.sizeBytes);
    expect(diskFor('right', { preset: 'gc' }, [right, chosen], 'd')).toBe(chosen);
    expect(diskFor('right', { preset: 'gc' }, [right, other], 'c')).toBe(right);
    expect(diskFor('right', {}, [right, other], 'c')).toBe(other);
    expect(diskFor('right', {}, [right, other], undefined)).toBeUndefined();
  });

  it('is the one that is named', () => {
    expect(diskFor('right', { disk: 'tutorial' }, [right, other], 'b')).toBe(other);
    expect(diskFor('right', { disk: 'gone' }, [right, other], 'b')).toBeUndefined();
  });
});

describe('a link to the page with one lab', () => {
  const mine = disk('a', 'mine', gc.line, gc.sizeBytes);
  const other = disk('b', 'other', 'nvme,lver=1', 8);

  it('goes on with a disk that is as it asks for, the last one first', () => {
    const second = disk('c', 'second', gc.line, gc.sizeBytes);
    expect(diskForLink({ preset: 'gc' }, [mine, second, other], 'a')).toBe(mine);
    expect(diskForLink({ preset: 'gc' }, [mine, second, other], 'b')).toBe(second);
    expect(diskForLink({ preset: 'gc' }, [other], 'b')).toBeUndefined();
    expect(diskForLink({ line: gc.line, sizeBytes: 1 }, [mine], 'a')).toBeUndefined();
    expect(diskForLink({ preset: 'gc' }, [disk('d', 'left gc', gc.line, gc.sizeBytes), other], 'b')).toBe(
      undefined,
    );
    expect(diskForLink({ line: gc.line, sizeBytes: gc.sizeBytes, name: 'second' }, [mine, second], 'a')).toBe(
      second,
    );
    expect(diskForLink({ line: gc.line, sizeBytes: gc.sizeBytes, name: 'third' }, [mine], 'a')).toBe(
      undefined,
    );
    expect(diskForLink({ disk: 'other' }, [mine, other], 'a')).toBe(other);
    expect(diskForLink({ disk: 'gone' }, [mine, other], 'a')).toBeUndefined();
  });

  it('stays with the last disk when its preset is none', () => {
    expect(diskForLink({ preset: 'nothing' }, [mine, other], 'a')).toBe(mine);
    expect(diskForLink({ preset: 'nothing' }, [mine, other], undefined)).toBe(other);
  });

  it('finds the disk of a line that says its own size', () => {
    const line = 'femu,devsz_mb=1024,femu_mode=0';
    const large = disk('e', 'disk', line, 2 ** 30);
    expect(diskForLink(readSide(`line=${line}`), [large], undefined)).toBe(large);
  });

  it('is told what in it means nothing', () => {
    expect(mistakesIn('?preset=gc&projector')).toEqual({ unknown: [] });
    expect(mistakesIn('?device=nvme&device=x&utm_source=mail&gclid=1')).toEqual({ unknown: ['device'] });
    expect(mistakesIn('?line=nvme&size=much').size).toContain('The size much is not');
    expect(mistakesIn('?preset=gc&size=8G')).toEqual({ unknown: ['size'] });
    expect(mistakesIn('?preset=gc&line=nvme&name=a')).toEqual({ unknown: ['line', 'name'] });
    // One sentence for a size of nothing, whatever it says.
    expect(mistakesIn('?size=0')).toEqual({ unknown: ['size'] });
    // A preset that there is not leaves the line in force.
    expect(mistakesIn('?preset=nothing&line=nvme')).toEqual({ unknown: [] });
    expect(mistakesIn('?%%%')).toEqual({ unknown: ['%%%'] });
  });

  it('of a side is handed on with what means nothing, which the side tells', () => {
    const query = readSide('line=nvme&size=much&device=x&device=y');
    expect(query.line).toBe('nvme');
    const address = new URL(sideUrl('left', query), 'http://localhost/');
    const { unknown, size } = mistakesIn(address.search);
    expect(unknown).toEqual(['device']);
    expect(size).toContain('The size much is not');
  });
});
