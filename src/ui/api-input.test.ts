import { File } from 'node:buffer';
import { describe, expect, it, vi } from 'vitest';
import { bytesOf, filesOf, momentOf, stringOf, watchOf } from './api-input.ts';

vi.stubGlobal('File', globalThis.File ?? File);

describe('what scripts give window.lab', () => {
  it('is a string where one is wanted', () => {
    expect(stringOf('ls', 'lab.exec')).toBe('ls');
    expect(() => stringOf(5, 'lab.exec')).toThrow('lab.exec wants a string, not a number.');
    expect(() => stringOf(null, 'lab.exec')).toThrow('lab.exec wants a string, not null.');
    expect(() => stringOf(['ls'], 'lab.exec')).toThrow('lab.exec wants a string, not an array.');
  });

  it('files of an import: a Blob, a File or Files', () => {
    const blob = new Blob(['x']);
    const file = new globalThis.File(['x'], 'a.lnvmpack');
    expect(filesOf(blob)).toEqual([{ name: 'imported', blob }]);
    expect(filesOf(file)).toEqual([{ name: 'a.lnvmpack', blob: file }]);
    expect(filesOf([file, file])).toHaveLength(2);
    const wanted = 'lab.disk.import wants a Blob, a File or an array of Files';
    expect(() => filesOf(new Uint8Array(100))).toThrow(`${wanted}, not a Uint8Array.`);
    expect(() => filesOf(undefined)).toThrow(`${wanted}, not undefined.`);
    expect(() => filesOf({})).toThrow(`${wanted}, not an object.`);
    expect(() => filesOf(Object.create(null))).toThrow(`${wanted}, not an object.`);
    expect(() => filesOf([blob])).toThrow(`${wanted}; a Blob is in the array.`);
  });

  it('bytes of a recording', () => {
    expect(bytesOf(new Uint8Array([1]), 'lab.trace.open')).toEqual(new Uint8Array([1]));
    expect(bytesOf(new Uint8Array([1]).buffer, 'lab.trace.open')).toEqual(new Uint8Array([1]));
    expect(() => bytesOf('x', 'lab.trace.open')).toThrow('lab.trace.open wants a Uint8Array, not a string.');
  });

  it('a moment of it', () => {
    expect(momentOf({ timeUs: 5 })).toEqual({ timeUs: 5 });
    expect(momentOf({ command: 5 })).toEqual({ command: 5 });
    for (const wrong of [5, undefined, null, {}, { timeUs: '5' }, { command: NaN }])
      expect(() => momentOf(wrong)).toThrow('A moment is { timeUs: number } or { command: number }');
  });

  it('what is recorded', () => {
    expect(watchOf({ device: true, guest: false })).toEqual({ device: true, guest: false });
    for (const wrong of [true, null, {}, { device: 1, guest: 0 }])
      expect(() => watchOf(wrong)).toThrow('lab.trace.watch wants { device: boolean, guest: boolean }.');
  });
});
