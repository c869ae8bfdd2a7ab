import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { GuestEvent } from '../../trace/guest-event.ts';
import type { Decoder } from './decoders.ts';
import { ToldQueue } from './told-queue.ts';

const KNOWN = 300;

/** An event of type `id` and of `length` bytes, which holds a number. */
function told(id: number, number: number, length = 8): DataView {
  const view = new DataView(new ArrayBuffer(length + 8), 4, length);
  view.setUint16(0, id, true);
  view.setUint32(4, number, true);
  return view;
}

const decode: Decoder = (event, atMs) => ({
  kind: 'lost',
  atMs,
  events: event.number({ offset: 4, size: 4, signed: false }),
});
const queue = () => new ToldQueue((id) => (id === KNOWN ? decode : undefined));
const lost = (atMs: number, events: number): GuestEvent => ({ kind: 'lost', atMs, events });

it('gives each event by its number, whatever was read before and whatever nobody took', () => {
  const step = fc.record({
    length: fc.integer({ min: 8, max: 512 }),
    known: fc.boolean(),
    taken: fc.boolean(),
    readAll: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600 }), fc.integer({ min: 1, max: 500 }), (steps, late) => {
      const events = queue();
      const due: (() => void)[] = [];
      for (const [i, { length, known, taken, readAll }] of steps.entries()) {
        const number = events.next;
        events.push(told(known ? KNOWN : KNOWN + 1, i, length), i / 3);
        if (taken) due.push(() => expect(events.take(number)).toEqual(known ? lost(i / 3, i) : undefined));
        if (readAll) events.readAll();
        if (due.length === late) for (const check of due.splice(0)) check();
      }
      for (const check of due) check();
    }),
  );
});

it('reads in time what a change would make unreadable', () => {
  const decoders = new Map([[KNOWN, decode]]);
  const events = new ToldQueue((id) => decoders.get(id));
  events.push(told(KNOWN, 7), 1);
  events.readAll();
  decoders.clear();
  events.push(told(KNOWN, 8), 2);
  expect(events.take(0)).toEqual(lost(1, 7));
  expect(events.take(1)).toBeUndefined();
  // Nobody has told that one yet.
  expect(events.take(2)).toBeUndefined();
});

it('takes an event without a type for none', () => {
  const events = queue();
  events.push(new DataView(new ArrayBuffer(0)), 1);
  events.push(new DataView(Uint8Array.of(44).buffer), 1);
  events.push(told(KNOWN, 5), 2);
  expect([0, 1, 2].map((number) => events.take(number))).toEqual([undefined, undefined, lost(2, 5)]);
});
