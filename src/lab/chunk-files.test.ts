import { describe, expect, it } from 'vitest';
import { type ChunkCounts, parseChunkInfo, parseResetFail, parseWriteFail } from './chunk-files.ts';

const counts: ChunkCounts = { grp: 2, pu: 4, chk: 60, sec: 4096, wsMin: 4, peCycles: 1000 };

describe('resets that fail', () => {
  it('are read in the names of both branches', () => {
    const text = `# chunk 3 of group 0
ns=1 grp=0 pu=* chk=3 resetfail=50
grp=1 pu=2 chk=0x10 resetfail_prob=100   # always

group=1 punit=3 chunk=* prob=0\r
`;
    expect(parseResetFail(text, counts)).toEqual({
      ok: true,
      items: [
        { grp: 0, chk: 3, percent: 50 },
        { grp: 1, pu: 2, chk: 16, percent: 100 },
        { grp: 1, pu: 3, percent: 0 },
      ],
    });
  });

  it.each([
    ['grp=2 resetfail=1', /^Line 1 of the file of --reset-fail: grp=2 is not a whole number from 0 to 1\.$/],
    ['\n\npu=4 prob=1', /^Line 3.*pu=4.*0 to 3/],
    ['chk=60 prob=1', /chk=60.*0 to 59/],
    ['chk=1', /does not say how often: resetfail_prob=100 means always/],
    ['chk=1 prob=101', /prob=101.*0 to 100/],
    ['chk=1 prob=', /prob= is not a whole number/],
    ['chk=1 chunk=2 prob=1', /chunk is there twice/],
    ['chk=1 sec=3 prob=1', /sec is only for writes/],
    ['chk=1 prob=1 luck=7', /luck means nothing here/],
    ['chk=1 luck=7', /luck means nothing here/],
    ['ns=2 prob=1', /ns=2 is not there/],
    ['chk 3', /chk is no name=value/],
  ])('%j is refused', (text, says) => {
    expect(parseResetFail(text, counts)).toMatchObject({
      ok: false,
      error: expect.stringMatching(says) as string,
    });
  });
});

it('writes that fail have a sector', () => {
  expect(parseWriteFail('grp=0 pu=0 chk=1 sectr=4095 prob=5', counts)).toEqual({
    ok: true,
    items: [{ grp: 0, pu: 0, chk: 1, sec: 4095, percent: 5 }],
  });
  expect(parseWriteFail('sec=4096 prob=5', counts)).toMatchObject({ ok: false });
});

describe('chunk states', () => {
  it('are read in the names of both branches', () => {
    const text = `grp=0 pu=0 chk=1 wi=3 wp=8 state=OPEN type=W_SEQ
group=* punit=* chunk=2 state=OFFLINE wp=0xffff
group=1 punit=0 chunk=5 state=CLOSED pe_cycles=500 cnlb=4096 type=SEQ
chk=9 wear_index=255`;
    expect(parseChunkInfo(text, counts)).toEqual({
      ok: true,
      items: [
        { grp: 0, pu: 0, chk: 1, state: 'open', wearIndex: 3, writePointer: 8 },
        { chk: 2, state: 'offline' },
        { grp: 1, pu: 0, chk: 5, state: 'closed', wearIndex: 127 },
        { chk: 9, wearIndex: 255 },
      ],
    });
  });

  it.each([
    ['chk=1 state=BROKEN', /state=BROKEN is none of FREE, OPEN, CLOSED and OFFLINE/],
    ['chk=1 state=OPEN', /state=OPEN needs wp.*wp=4 works/],
    ['chk=1 state=OPEN wp=6', /wp=6 is not a multiple of the 4.*wp=4 works/],
    ['chk=1 state=OPEN wp=4096', /wp=4096.*0 to 4092/],
    ['chk=1 state=FREE wp=4', /wp=4 is not possible for a chunk that is FREE/],
    ['chk=1 wp=4', /wp says nothing without state=OPEN/],
    ['chk=1 type=W_RAN', /type=W_RAN.*sequentially: W_SEQ works/],
    ['chk=1 cnlb=100', /cnlb=100.*4096 sectors/],
    ['chk=1 wi=256', /wi=256.*0 to 255/],
    ['chk=1 pe_cycles=1001', /pe_cycles=1001.*0 to 1000/],
    ['chk=1 mood=bad', /mood means nothing here/],
  ])('%j is refused', (text, says) => {
    const result = parseChunkInfo(text, counts);
    expect(result).toMatchObject({ ok: false, error: expect.stringMatching(says) as string });
    if (!result.ok) expect(result.error).toMatch(/^Line 1 of .*[^.]\.$/);
  });

  it('are not read without end', () => {
    expect(parseChunkInfo('\n'.repeat(20_000), counts)).toMatchObject({ ok: false });
  });
});
