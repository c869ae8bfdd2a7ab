import { describe, expect, it } from 'vitest';
import { TraceEncoder } from './encode.ts';
import { TraceModel } from './model.ts';
import {
  gcGroupOf,
  parseErrors,
  parseGcState,
  parseLines,
  parseLinesInfo,
  parseMaxSecPerWrite,
  parsePaddingDist,
  parseRateLimiter,
  parseWriteAmplification,
  parseWriteBuffer,
  PblkSamples,
  readPblkFiles,
  readSysfsDump,
  SYSFS_DUMP,
} from './pblk-sysfs.ts';
import { Recording } from './recording.ts';

describe("pblk's files", () => {
  it('write_buffer, with and without somebody who waits', () => {
    expect(parseWriteBuffer('256\t40\t32\t24\t8\t0\tNULL - 8/239/0 - 1\n')).toEqual({
      entries: 256,
      mem: 40,
      subm: 32,
      sync: 24,
      l2pUpdate: 8,
      flushPoint: undefined,
      waiting: 8,
      space: 239,
      flushing: 0,
      queued: 1,
    });
    expect(parseWriteBuffer('128\t3\t1\t1\t0\t0\t2 - 2/125/2 - 0\n')?.flushPoint).toBe(2);
  });

  it('rate_limiter', () => {
    expect(parseRateLimiter('u:255/256,gc:0/0(0)(stop:<256,full:>28,free:80/79/256)-1\n')).toEqual({
      user: 255,
      userMax: 256,
      gc: 0,
      gcMax: 0,
      state: 0,
      budget: 256,
      high: 28,
      freeChunks: 80,
      freeUserChunks: 79,
      totalChunks: 256,
      userActive: true,
    });
    // Signed in the kernel, and seen below zero.
    expect(parseRateLimiter('u:0/0,gc:9/256(4)(stop:<256,full:>28,free:-1/-2/256)-0')?.freeChunks).toBe(-1);
  });

  const lines =
    'line: nluns:4, nblks:4, nsecs:512\n' +
    'lines:d:41,l:-1-f:20,m:1/2,c:42,b:0,co:0(d:42,l:0)t:64\n' +
    'GC: full:6, high:1, mid:1, low:0, empty:34, werr: 0, queue:3\n' +
    'data (41) cur:456, left:48, vsc:496, s:496, map:456/512 (2)\n';

  it('lines', () => {
    expect(parseLines(lines)).toEqual({
      dataLine: 41,
      total: 64,
      free: 20,
      closing: 1,
      closed: 42,
      bad: 0,
      corrupt: 0,
      groups: { full: 6, high: 1, mid: 1, low: 0, empty: 34, werr: 0 },
      gcReads: 3,
      current: {
        line: 41,
        cur: 456,
        left: 48,
        valid: 496,
        secs: 496,
        mapped: 456,
        secsPerLine: 512,
        inFlight: 2,
      },
    });
    expect(parseLines(lines.replace('data (41)', 'data (-1)'))?.current).toBeUndefined();
    expect(parseLines(lines.split('\n').slice(0, 2).join('\n'))).toBeUndefined();
  });

  it('lines_info', () => {
    const text =
      'smeta - len:16384, secs:8\nemeta - len:4096, sec:8, bb_start:3\n' +
      'bitmap lengths: sec:64, blk:8, lun:8\nblk_line:4, sec_line:512, sec_blk:128\n';
    expect(parseLinesInfo(text)).toEqual({
      smetaBytes: 16384,
      smetaSecs: 8,
      emetaBytes: 4096,
      emetaSecs: 8,
      fewestChunks: 3,
      chunksPerLine: 4,
      secsPerLine: 512,
      secsPerChunk: 128,
    });
  });

  it('write_amp_mileage, before and after the first write', () => {
    expect(parseWriteAmplification('user:50048 gc:17 pad:4 WA:1.00041\n')).toEqual({
      user: 50048,
      gc: 17,
      pad: 4,
      factor: 1.00041,
    });
    expect(parseWriteAmplification('user:0 gc:0 pad:0 WA:NaN\n')?.factor).toBeUndefined();
  });

  it('padding_dist', () => {
    expect(parsePaddingDist('0:80% 1:0% 2:5% 3:15% \n')).toEqual([
      { sectors: 0, percent: 80 },
      { sectors: 1, percent: 0 },
      { sectors: 2, percent: 5 },
      { sectors: 3, percent: 15 },
    ]);
    expect(parsePaddingDist('0:0 1:0 \n')).toHaveLength(2);
  });

  it('errors, gc_state, max_sec_per_write', () => {
    expect(
      parseErrors(
        'read_failed=1, read_high_ecc=2, read_empty=3, read_failed_gc=4, write_failed=5, erase_failed=6\n',
      ),
    ).toEqual({
      readFailed: 1,
      readHighEcc: 2,
      readEmpty: 3,
      readFailedGc: 4,
      writeFailed: 5,
      eraseFailed: 6,
    });
    expect(parseGcState('gc_enabled=1, gc_active=0\n')).toEqual({ enabled: true, active: false });
    expect(parseMaxSecPerWrite('64\n')).toBe(64);
  });

  it('say nothing where they hold something else', () => {
    for (const text of [
      '',
      '\n',
      'x',
      '1',
      'u:',
      'user:-1',
      '256\t300\t0\t0\t0\t0\tNULL - 0/0/0 - 0',
      '\0'.repeat(9),
    ]) {
      expect(parseWriteBuffer(text)).toBeUndefined();
      expect(parseRateLimiter(text)).toBeUndefined();
      expect(parseLines(text)).toBeUndefined();
      expect(parseLinesInfo(text)).toBeUndefined();
      expect(parseWriteAmplification(text)).toBeUndefined();
      expect(parseErrors(text)).toBeUndefined();
      expect(parseGcState(text)).toBeUndefined();
    }
    const report = readPblkFiles({ write_buffer: '?', gc_state: 'gc_enabled=0, gc_active=0' });
    expect(report.writeBuffer).toBeUndefined();
    expect(report.lines).toBeUndefined();
    expect(report.gc).toEqual({ enabled: false, active: false });
  });

  it('group lines as pblk does', () => {
    expect([0, 1, 127, 128, 255, 256, 495, 496].map((valid) => gcGroupOf(valid, 496, 512))).toEqual([
      'full',
      'high',
      'high',
      'mid',
      'mid',
      'low',
      'low',
      'empty',
    ]);
  });
});

function keep(recording: Recording, encoder: TraceEncoder): void {
  const segment = encoder.take();
  if (segment) recording.add(segment);
}

it('reads the files as the guest prints them', () => {
  expect(SYSFS_DUMP).toContain('${d##*/}');
  const text =
    '=disk a\n=file lines\nx\ny\n=file gc_force\n=file gc_state\ngc_enabled=1, gc_active=0\n=disk b\n';
  const targets = readSysfsDump(text);
  expect(targets.map(({ disk }) => disk)).toEqual(['a', 'b']);
  expect(targets[0]?.files['lines']).toBe('x\ny\n');
  expect(readPblkFiles(targets[0]?.files ?? {}).gc?.enabled).toBe(true);
  expect(readSysfsDump('nonsense')).toEqual([]);
});

describe('samples of a recording', () => {
  const shape = {
    kind: 'ocssd12',
    numCh: 1,
    numLun: 1,
    numPln: 1,
    numChk: 2,
    numPg: 4,
    secsPerPg: 4,
    secSizeBytes: 4096,
    oobSizeBytes: 16,
    wsOpt: 4,
  } as const;

  it('are those of the moment that is asked for', () => {
    const recording = new Recording(new TraceModel(shape));
    const encoder = new TraceEncoder();
    for (const timeUs of [1000, 2000, 3000]) {
      encoder.at(timeUs - 500);
      encoder.mark('between');
      encoder.at(timeUs);
      encoder.guest({
        kind: 'sample',
        atMs: timeUs / 1000,
        targets: [
          { disk: 'd', major: 259, minor: 1, files: { gc_state: `gc_enabled=1, gc_active=${timeUs}` } },
        ],
      });
      keep(recording, encoder);
    }
    const samples = new PblkSamples();
    expect(samples.at(recording, 999)).toBeUndefined();
    expect(samples.at(recording, 1000)?.timeUs).toBe(1000);
    expect(samples.at(recording, 2999)?.timeUs).toBe(2000);
    expect(samples.at(recording, 1e9)?.sample.targets[0]?.disk).toBe('d');
    expect(samples.at(recording, 2000)?.timeUs).toBe(2000);
  });

  it('are looked for a piece at a time', () => {
    const recording = new Recording(new TraceModel(shape));
    const encoder = new TraceEncoder();
    encoder.guest({ kind: 'sample', atMs: 0, targets: [] });
    keep(recording, encoder);
    for (let i = 1; i < 5; i++) {
      encoder.at(i);
      encoder.mark('x'.repeat(300_000));
      keep(recording, encoder);
    }
    const samples = new PblkSamples();
    for (let i = 1; i < 5; i++) expect(samples.at(recording, 10)).toBeUndefined();
    expect(samples.at(recording, 10)?.timeUs).toBe(0);
  });
});
