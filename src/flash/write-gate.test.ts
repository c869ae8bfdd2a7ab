import { describe, expect, it } from 'vitest';
import { FakeTransfer } from '../../test/fakes/fake-transfer.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { IN_FLIGHT_BYTES, WriteGate } from './write-gate.ts';

const QUARTER = IN_FLIGHT_BYTES / 4;

/** A gate with a record of who began, how they ended, and how to end them. */
function watched() {
  const gate = new WriteGate();
  const begun: string[] = [];
  const ended: string[] = [];
  const end = new Map<string, (status?: StatusCode) => void>();
  const pass = (name: string, bytes: number, transfer = new FakeTransfer(new Uint8Array(0))) => {
    gate.pass(
      bytes,
      transfer,
      (status) => ended.push(`${name} ${status}`),
      (done) => {
        begun.push(name);
        end.set(name, (status = Status.success) => done(status));
      },
    );
    return transfer;
  };
  const finish = (name: string) => end.get(name)?.();
  return { gate, begun, ended, pass, finish };
}

describe('the gate', () => {
  it('lets in what fits, and the others in their order as room comes', () => {
    const { begun, ended, pass, finish } = watched();
    for (const name of 'abcdef') pass(name, QUARTER);
    expect(begun.join('')).toBe('abcd');
    finish('b');
    expect(begun.join('')).toBe('abcde');
    for (const name of 'acdef') finish(name);
    expect(begun.join('')).toBe('abcdef');
    expect(ended).toEqual(['b 0', 'a 0', 'c 0', 'd 0', 'e 0', 'f 0']);
  });

  it('lets one piece of any size in, and the next when it has gone', () => {
    const { begun, pass, finish } = watched();
    pass('huge', 10 * IN_FLIGHT_BYTES);
    pass('small', 1);
    expect(begun).toEqual(['huge']);
    finish('huge');
    expect(begun).toEqual(['huge', 'small']);
  });

  it('keeps what needs no room behind what came before it, and in front of what comes after', () => {
    const { begun, pass, finish } = watched();
    pass('erase 1', 0);
    pass('all', IN_FLIGHT_BYTES);
    pass('erase 2', 0); // nobody waits before it
    pass('write', QUARTER);
    pass('erase 3', 0);
    pass('again', QUARTER);
    expect(begun).toEqual(['erase 1', 'all', 'erase 2']);
    finish('all');
    expect(begun).toEqual(['erase 1', 'all', 'erase 2', 'write', 'erase 3', 'again']);
  });

  it('ends what its host has given up without carrying it out', () => {
    const { begun, ended, pass, finish } = watched();
    pass('all', IN_FLIGHT_BYTES);
    const waiting = pass('waiting', 1);
    waiting.abandoned = true;
    const late = new FakeTransfer(new Uint8Array(0));
    late.abandoned = true;
    pass('late', 1, late);
    expect(ended).toEqual([`late ${Status.abortedByRequest}`]);
    finish('all');
    expect(begun).toEqual(['all']);
    expect(ended).toContain(`waiting ${Status.abortedByRequest}`);
  });

  it('forgets those that wait, and counts those inside on', () => {
    const { gate, begun, ended, pass, finish } = watched();
    pass('all', IN_FLIGHT_BYTES);
    pass('before', 1);
    gate.forgetWaiting();
    pass('after', 1);
    expect(gate.waitingCount).toBe(1);
    finish('all');
    expect(begun).toEqual(['all', 'after']);
    expect(ended).toEqual(['all 0']);
  });

  it('answers for work that throws, gives its room back, and hears no second end', () => {
    const { gate, begun, pass, finish } = watched();
    const transfer = new FakeTransfer(new Uint8Array(0));
    const statuses: number[] = [];
    pass('all', IN_FLIGHT_BYTES);
    gate.pass(
      IN_FLIGHT_BYTES,
      transfer,
      (status) => statuses.push(status),
      () => {
        throw new Error('a defect');
      },
    );
    pass('next', IN_FLIGHT_BYTES);
    pass('last', 1);
    finish('all');
    finish('all');
    expect(statuses).toEqual([Status.internalError]);
    expect(transfer.refusals[0]).toMatchObject({ rule: 'internal' });
    expect(begun).toEqual(['all', 'next']);
  });

  it('lets in thousands that end at once without growing the stack', () => {
    const { gate, pass, finish } = watched();
    const transfer = new FakeTransfer(new Uint8Array(0));
    let ended = 0;
    pass('all', IN_FLIGHT_BYTES);
    for (let i = 0; i < 50_000; i++)
      gate.pass(
        1,
        transfer,
        () => ended++,
        (done) => done(Status.success),
      );
    expect(ended).toBe(0);
    finish('all');
    expect(ended).toBe(50_000);
  });
});
