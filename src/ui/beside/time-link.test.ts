import { beforeEach, describe, expect, it } from 'vitest';
import type { Position } from '../../trace/recording.ts';
import type { FileHead } from '../../trace/trace-file.ts';
import type { Moment, TraceEvent } from '../lab-api-trace.ts';
import { TimeLink, type LinkedTrace } from './time-link.ts';

const HEAD: FileHead = { madeAt: '', version: '', deviceLine: '', name: 'a file' };

/** A recording with a command every 10 µs, from command 1 on. */
class FakeTrace implements LinkedTrace {
  isLive = true;
  isPlaying = false;
  seeks = 0;
  /** Records are so far apart. */
  quantumUs = 1;
  marks: string[] = [];
  zeros: { powerOn?: Moment; firstWrite?: Moment } = {};
  file: FileHead | undefined;
  #startUs: number;
  #endUs: number;
  #nowUs: number;
  #listeners: ((event: TraceEvent) => void)[] = [];

  constructor(startUs: number, endUs: number, file?: FileHead) {
    this.#startUs = startUs;
    this.#endUs = endUs;
    this.#nowUs = endUs;
    this.file = file;
    this.zeros.powerOn = this.#at(startUs);
  }

  #at(timeUs: number): Position {
    const command = Math.floor((timeUs - this.#startUs) / 10);
    return { record: command, command, timeUs };
  }

  get position(): Position {
    return this.#at(this.isLive ? this.#endUs : this.#nowUs);
  }
  get range() {
    return { start: this.#at(this.#startUs), end: this.#at(this.#endUs) };
  }

  async seek(to: { timeUs: number } | { command: number }): Promise<Position> {
    this.seeks++;
    const timeUs = 'timeUs' in to ? to.timeUs : this.#startUs + to.command * 10;
    const recorded = timeUs - (timeUs % this.quantumUs);
    this.#nowUs = Math.max(this.#startUs, Math.min(this.#endUs, recorded));
    this.isLive = false;
    this.#say('move');
    return this.position;
  }
  async live(): Promise<void> {
    this.isLive = true;
    this.#say('move');
  }
  pause(): void {
    this.isPlaying = false;
  }
  async mark(text: string): Promise<void> {
    this.marks.push(text);
    this.#say('mark');
  }
  find(what: 'powerOn' | 'firstWrite'): Moment | undefined {
    return this.zeros[what];
  }
  listen(listener: (event: TraceEvent) => void): () => void {
    this.#listeners.push(listener);
    return () => (this.#listeners = this.#listeners.filter((l) => l !== listener));
  }
  get listeners(): number {
    return this.#listeners.length;
  }

  grow(us: number): void {
    this.#endUs += us;
    this.#say('grow');
  }
  /** Power on again: another recording. */
  open(startUs: number, endUs: number): void {
    this.#startUs = startUs;
    this.#endUs = endUs;
    this.isLive = true;
    this.zeros = { powerOn: this.#at(startUs) };
    this.#say('open');
  }
  #say(event: TraceEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

let link: TimeLink;
beforeEach(() => {
  link = new TimeLink();
});

function linked(left: FakeTrace, right: FakeTrace): void {
  link.attach('left', left);
  link.attach('right', right);
}

describe('two devices', () => {
  it('are live together, and neither is disturbed', () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 900)];
    linked(left, right);
    left.grow(100);
    right.grow(50);
    expect([left.isLive, right.isLive, left.seeks, right.seeks]).toEqual([true, true, 0, 0]);
    expect(link.momentOf('left')).toMatchObject({ sinceUs: 1100, isLive: true, missing: undefined });
    expect(link.momentOf('right')).toMatchObject({ sinceUs: 450, isLive: true });
  });

  it('show the same time since their power-ons, whichever is moved', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 2000)];
    linked(left, right);
    await left.seek({ timeUs: 300 });
    expect(right.position.timeUs).toBe(800);
    expect(link.momentOf('right').sinceUs).toBe(300);
    await right.seek({ timeUs: 700 });
    expect(left.position.timeUs).toBe(200);
    expect(link.leader).toBe('right');
    await right.live();
    expect(left.isLive).toBe(true);
  });

  it('stay where they are while they are not linked, and meet again', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 2000)];
    linked(left, right);
    link.setLinked(false);
    await left.seek({ timeUs: 300 });
    expect(right.isLive).toBe(true);
    link.setLinked(true);
    expect(right.position.timeUs).toBe(800);
  });

  it('count commands when that is wanted', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 2000)];
    left.zeros.firstWrite = { timeUs: 200, command: 20 };
    right.zeros.firstWrite = { timeUs: 1000, command: 50 };
    linked(left, right);
    link.setZero('firstWrite');
    link.setUnit('commands');
    await left.seek({ command: 25 });
    expect(right.position.command).toBe(55);
    expect(link.momentOf('right').sinceCommands).toBe(5);
  });

  it('say where one has no such moment, and show it as soon as it comes', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 700)];
    linked(left, right);
    await left.seek({ timeUs: 260 });
    expect(link.momentOf('right').missing).toBe('after');
    expect(right.position.timeUs).toBe(700);
    right.grow(100);
    expect(link.momentOf('right').missing).toBeUndefined();
    expect(right.position.timeUs).toBe(760);
    const { seeks } = right;
    right.grow(100);
    expect(right.seeks).toBe(seeks);
  });

  it('say when the other has no moment so early', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 900)];
    right.zeros.powerOn = { timeUs: 400, command: 0 };
    linked(left, right);
    await left.seek({ timeUs: 50 });
    expect(link.momentOf('right').missing).toBe('before');
    expect(right.position.timeUs).toBe(500);
  });

  it('wait for a zero that one of them does not have yet', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 900)];
    left.zeros.firstWrite = { timeUs: 100, command: 10 };
    linked(left, right);
    link.setZero('firstWrite');
    await left.seek({ timeUs: 150 });
    expect(link.momentOf('right').missing).toBe('noZero');
    expect(right.isLive).toBe(true);
    right.zeros.firstWrite = { timeUs: 600, command: 10 };
    link.refresh();
    expect(right.position.timeUs).toBe(650);
    expect(link.momentOf('right').missing).toBeUndefined();
  });

  it('start together at a mark, wherever they are then; power-on takes the mark away', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 2000)];
    linked(left, right);
    link.setLinked(false);
    await left.seek({ timeUs: 600 });
    expect(link.markTogether('together')).toBe(true);
    expect([left.marks, right.marks]).toEqual([['together'], ['together']]);
    expect(link.momentOf('left').sinceUs).toBe(0);
    expect(link.momentOf('right').sinceUs).toBe(0);
    link.setLinked(true);
    await left.seek({ timeUs: 500 });
    expect(right.position.timeUs).toBe(1900);
    right.open(5000, 5100);
    expect(link.momentOf('right').zero).toBeUndefined();
    expect(link.leader).toBe('right');
    expect(left.isLive).toBe(true);
  });

  it('are at the time that was asked for, though nothing happened just then', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 2000)];
    linked(left, right);
    right.quantumUs = 100;
    await left.seek({ timeUs: 150 });
    expect(right.position.timeUs).toBe(600);
    expect(link.momentOf('right').sinceUs).toBe(150);
    link.setLinked(false);
    expect(link.momentOf('right').sinceUs).toBe(100);
  });

  it('play on one side only: the other is moved', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(500, 2000)];
    linked(left, right);
    right.isPlaying = true;
    await left.seek({ timeUs: 10 });
    expect(right.isPlaying).toBe(false);
  });
});

describe('a device and a recording', () => {
  it('go together: the recording follows what is live, and says when it is over', () => {
    const [left, right] = [new FakeTrace(0, 100), new FakeTrace(9000, 9300, HEAD)];
    linked(left, right);
    expect(link.leader).toBe('left');
    expect(right.position.timeUs).toBe(9100);
    left.grow(50);
    expect(right.position.timeUs).toBe(9150);
    left.grow(500);
    expect(right.position.timeUs).toBe(9300);
    expect(link.momentOf('right').missing).toBe('after');
    expect(left.isLive).toBe(true);
  });

  it('opened later, a recording joins and does not lead', () => {
    const left = new FakeTrace(0, 100);
    link.attach('left', left);
    expect(link.leader).toBe('left');
    link.attach('right', new FakeTrace(9000, 9300, HEAD));
    expect(link.leader).toBe('left');
    expect(left.isLive).toBe(true);
  });

  it('the end of a recording is a moment, not live', async () => {
    const [left, right] = [new FakeTrace(0, 1000), new FakeTrace(9000, 9300, HEAD)];
    linked(left, right);
    await right.live();
    expect(link.leader).toBe('right');
    expect(left.isLive).toBe(false);
    expect(left.position.timeUs).toBe(300);
  });

  it('with only one side there is nothing to link', async () => {
    const left = new FakeTrace(0, 1000);
    link.attach('left', left);
    await left.seek({ timeUs: 5 });
    expect(link.momentOf('right')).toMatchObject({ position: undefined, missing: 'nothing' });
    expect(link.markTogether('x')).toBe(false);
    link.attach('left', undefined);
    expect(left.listeners).toBe(0);
    expect(link.momentOf('left').position).toBeUndefined();
  });
});
