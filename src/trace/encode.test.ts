import { expect, it } from 'vitest';
import { TraceDecoder, TraceEncoder } from './encode.ts';
import type { GuestBio, GuestEvent } from './guest-event.ts';
import type { CommandRecord } from './record.ts';
import { sinkOf } from './sink.ts';

const bio: GuestBio = {
  kind: 'bio',
  atMs: 12_345.678_901_2,
  pid: 271,
  comm: 'kworker/u2:1-ext4',
  dev: { major: 252, minor: 1 },
  sector: 2 ** 41 + 5,
  sectors: 128,
  rwbs: 'WSM',
};

function recorded(event: GuestEvent): { readonly bytes: number; readonly back: readonly GuestEvent[] } {
  const encoder = new TraceEncoder();
  encoder.at(1_000_000);
  encoder.guest(event);
  const segment = encoder.take();
  if (!segment) throw new Error('nothing was recorded');
  const back: GuestEvent[] = [];
  const decoder = new TraceDecoder(segment);
  while (decoder.next(sinkOf({ guest: (found) => back.push(found) })));
  return { bytes: segment.bytes.length, back };
}

it('a request of the guest takes a third of its JSON, and comes back exactly', () => {
  const { bytes, back } = recorded(bio);
  expect(back).toEqual([bio]);
  expect(bytes).toBeLessThan(JSON.stringify(bio).length / 3);
});

it.each<Partial<GuestBio>>([
  { comm: '' },
  { comm: 'Größe "界"\n' },
  { pid: 0, sector: 0, sectors: 0, rwbs: '' },
  // What no kernel says, but a guest may.
  { pid: -1 },
  { sector: 2 ** 63 },
  { sectors: 1.5 },
])('so it is with any other: %j', (change) => {
  const event = { ...bio, ...change };
  expect(recorded(event).back).toEqual([event]);
});

it('a copy tells where it read, and goes on to the record behind it', () => {
  const write: CommandRecord = {
    queueId: 1,
    sqe: Uint8Array.from({ length: 64 }, (_, i) => (i === 0 ? 0x93 : i % 5)),
    status: 0,
    dw0: 0,
    dw1: 0,
    dataBytes: 0,
    latencyUs: 80,
    addresses: [{ block: 7, sec: 0, count: 4 }],
    rule: 'sequential-write',
    why: 'because',
    pages: [4096, 12288],
  };
  const copy = {
    ...write,
    sources: [
      { block: 3, sec: 8, count: 3 },
      { block: -1, sec: 0, count: 1 },
    ],
  };
  const encoder = new TraceEncoder();
  encoder.at(1000);
  encoder.command(copy);
  encoder.command(write);
  encoder.erase(3);
  const segment = encoder.take();
  if (!segment) throw new Error('nothing was recorded');
  expect([segment.records, segment.commands]).toEqual([3, 2]);
  const back: (CommandRecord | number)[] = [];
  const decoder = new TraceDecoder(segment);
  expect(decoder.nextIsCommand).toBe(true);
  while (decoder.next(sinkOf({ command: (found) => back.push(found), erase: (block) => back.push(block) })));
  expect(back).toEqual([copy, write, 3]);
});
