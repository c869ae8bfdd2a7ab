/**
 * The host's end of the control channel: runs commands in the guest through its agent `labd`, which
 * listens on the virtio console (a raw 8-bit tty), in frames (guest-frames.ts).
 *
 * The guest may be hostile: nothing it sends throws, and it can make us keep no more than one frame
 * (1 MiB) and 16 MiB of output per command.
 */

import { joined } from '../storage/joined.ts';
import { encodeFrame, FrameParser, MAX_PAYLOAD_BYTES } from './guest-frames.ts';
import type { ExecResult } from './types.ts';

/** The newest one that is spoken here; older machines that were saved have agents of the ones before. */
export const PROTOCOL_VERSION = 2;
const OLDEST_VERSION = 1;
/** From this version on, random numbers drawn after an ENTROPY are new ones. */
export const RESEEDING_VERSION = 2;
/** Output kept of one command; more is counted and dropped. */
export const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const U32 = 0x1_0000_0000;
/** Timers count in 31 bits; longer is for ever. */
const MAX_TIMER_MS = 2 ** 31;

const EXEC = 1;
const KILL = 2;
const PING = 3;
const WINSIZE = 4;
const CLOCK = 5;
const ENTROPY = 6;
const WAKE = 7;
const OUTPUT = 0x81;
const EXIT = 0x82;
const HELLO = 0x83;
const ERROR = 0x84;

export interface ExecOptions {
  /** The command is killed and the promise rejects after this long; no limit by default. */
  readonly timeoutMs?: number;
  /** Called with output (stdout and stderr together) as it comes, also beyond what is kept. */
  readonly onoutput?: (bytes: Uint8Array) => void;
}

/** A command was killed because it took longer than it was given. */
export class CommandTimeout extends Error {
  override readonly name = 'CommandTimeout';
}

/** A command in the guest that did not come to an end of its own; `message` is one sentence. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
}

interface Command {
  readonly pieces: Uint8Array[];
  keptBytes: number;
  droppedBytes: number;
  readonly onoutput: ((bytes: Uint8Array) => void) | undefined;
  timer: ReturnType<typeof setTimeout> | null;
  resolve(result: ExecResult): void;
  reject(error: Error): void;
}

export class ControlChannel {
  /**
   * Resolves with the agent's protocol version when it first says hello; rejects when the channel is closed before.
   * With {@link meetRunning}, the agent has done by then what its start brought.
   */
  readonly ready: Promise<number>;
  #resolveReady!: (version: number) => void;
  #rejectReady!: (error: Error) => void;

  readonly #send: (bytes: Uint8Array) => void;
  readonly #commands = new Map<number, Command>();
  readonly #parser = new FrameParser((type, id, payload) => this.#handle(type, id, payload));
  #nextId = 1;
  #greeted = false;
  /** The sign of life that an agent which was there before was asked for last. */
  #asked: number | undefined;
  /** The agent has started, first or again: terminal sizes, clock and entropy have to be sent. */
  onagentstart: (() => void) | undefined;
  #closed: Error | null = null;

  /** `send` takes bytes for the guest; give what comes back to `receive`. */
  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Nobody needs to wait for it.
    this.ready.catch(() => undefined);
  }

  /** Bytes from the guest, cut anywhere. */
  receive(bytes: Uint8Array): void {
    if (this.#closed === null) this.#parser.push(bytes);
  }

  /**
   * Runs `command` with /bin/sh -c. The result's output is stdout and stderr in the order they were
   * written, read as UTF-8, at most 16 MiB and then a note; `onoutput` gets the bytes. Its status is the
   * shell's, or 128 plus the number of the signal that ended it. Rejects with a ControlError when it takes
   * too long, and with the reason when the channel is closed.
   */
  async exec(command: string, options: ExecOptions = {}): Promise<ExecResult> {
    const { timeoutMs = Infinity, onoutput } = options;
    const text = new TextEncoder().encode(command);
    if (text.length > MAX_PAYLOAD_BYTES) throw new ControlError('The command is longer than 1 MiB.');
    if (text.includes(0)) throw new ControlError('The command holds a NUL character.');
    return this.#run(EXEC, text, onoutput, (entry, id) => {
      if (timeoutMs >= MAX_TIMER_MS) return;
      entry.timer = setTimeout(() => {
        this.#trySend(KILL, id);
        this.#take(id)?.reject(
          new CommandTimeout(
            `The command ${quote(command)} was ended because it took longer than ${timeoutMs} ms.`,
          ),
        );
      }, timeoutMs);
    });
  }

  /**
   * Has a guest that was restored find a disk it has not seen. Resolves with true when the disk is there with so
   * many namespaces, and with false when the guest has given up, after 5 seconds. Needs an agent of version 2.
   */
  async wake(namespaces: number): Promise<boolean> {
    const payload = new Uint8Array(2);
    view(payload).setUint16(0, namespaces, true);
    const { status } = await this.#run(WAKE, payload);
    return status === 0;
  }

  /** Asks for a sign of life; the answer arrives at `receive` like everything else, and has the number returned. */
  ping(): number {
    // Not id 0: that is how an agent that has just started says hello.
    const id = this.#newId();
    this.#trySend(PING, id);
    return id;
  }

  /** The number that was used last; the guest may still run its command. */
  get lastId(): number {
    return this.#nextId;
  }

  /**
   * The guest's agent said hello before this channel was there, in a machine that was restored: what its
   * start has to bring is sent now, and its answer to a sign of life asked for behind that resolves {@link ready}:
   * it does one thing after the other.
   * @param lastId of the channel that was there before
   */
  meetRunning(lastId = 1): void {
    this.#nextId = lastId;
    this.#greeted = true;
    this.onagentstart?.();
    this.#asked = this.ping();
  }

  /** Tells the guest the size of the terminal on /dev/ttyS`tty`. */
  winsize(tty: number, cols: number, rows: number): void {
    const payload = new Uint8Array(6);
    const view = new DataView(payload.buffer);
    view.setUint8(0, tty);
    view.setUint16(2, cols, true);
    view.setUint16(4, rows, true);
    this.#trySend(WINSIZE, 0, payload);
  }

  /** Gives the guest's kernel randomness it cannot gather itself on an emulated machine; 1 to 512 bytes. */
  addEntropy(bytes: Uint8Array): void {
    this.#trySend(ENTROPY, 0, bytes);
  }

  /** Sets the guest's wall clock, in milliseconds since 1970. */
  setClock(unixMs: number): void {
    const payload = new Uint8Array(8);
    new DataView(payload.buffer).setBigUint64(0, BigInt(Math.trunc(unixMs)), true);
    this.#trySend(CLOCK, 0, payload);
  }

  /** Ends the channel: everything that waits, or comes later, rejects with `reason`: an error, or one sentence. */
  close(reason: string | Error): void {
    if (this.#closed !== null) return;
    this.#closed = typeof reason === 'string' ? new ControlError(reason) : reason;
    this.#rejectReady(this.#closed);
    for (const id of [...this.#commands.keys()]) this.#take(id)?.reject(this.#closed);
    this.#parser.clear();
  }

  #handle(type: number, id: number, payload: Uint8Array): void {
    switch (type) {
      case OUTPUT:
        this.#output(id, payload);
        break;
      case EXIT:
        if (payload.length === 4) this.#exit(id, view(payload).getInt32(0, true));
        break;
      case HELLO:
        if (payload.length === 4) this.#hello(id, view(payload).getUint32(0, true));
        break;
      case ERROR:
        this.#fail(id, `The guest refused a command: ${printable(payload)}.`);
        break;
      default: // a newer agent, or noise
    }
  }

  #hello(id: number, version: number): void {
    if (version < OLDEST_VERSION || version > PROTOCOL_VERSION) {
      this.#rejectReady(
        new ControlError(
          `The guest's agent speaks version ${version}, and this page ${OLDEST_VERSION} to ${PROTOCOL_VERSION}.`,
        ),
      );
      return;
    }
    if (this.#asked === undefined || id === this.#asked) {
      this.#asked = undefined;
      this.#resolveReady(version);
    }
    if (id !== 0) return;
    // The agent has (re)started: it knows nothing of what was sent before.
    const lost = 'The agent in the guest was restarted, and the command was lost; run it again.';
    if (this.#greeted) for (const command of [...this.#commands.keys()]) this.#fail(command, lost);
    this.#greeted = true;
    this.onagentstart?.();
    if (this.#asked !== undefined) this.#asked = this.ping();
  }

  #output(id: number, payload: Uint8Array): void {
    const command = this.#commands.get(id);
    if (command === undefined) return;
    const kept = payload.subarray(0, MAX_OUTPUT_BYTES - command.keptBytes);
    if (kept.length > 0) command.pieces.push(kept);
    command.keptBytes += kept.length;
    command.droppedBytes += payload.length - kept.length;
    command.onoutput?.(payload);
  }

  #exit(id: number, status: number): void {
    const command = this.#take(id);
    if (command === undefined) return;
    if (command.droppedBytes > 0) {
      command.pieces.push(
        new TextEncoder().encode(`\n[${command.droppedBytes} more bytes of output were dropped]\n`),
      );
    }
    command.resolve({ status, output: new TextDecoder().decode(joined(command.pieces)) });
  }

  #fail(id: number, sentence: string): void {
    this.#take(id)?.reject(new ControlError(sentence));
  }

  #take(id: number): Command | undefined {
    const command = this.#commands.get(id);
    if (command === undefined) return undefined;
    this.#commands.delete(id);
    if (command.timer !== null) clearTimeout(command.timer);
    return command;
  }

  #newId(): number {
    // Ids of commands that timed out may still come back: they are not used again for four billion commands.
    do this.#nextId = (this.#nextId + 1) % U32 || 1;
    while (this.#commands.has(this.#nextId));
    return this.#nextId;
  }

  /** Sends what is answered by EXIT; `begun` is called just before. */
  async #run(
    type: number,
    payload: Uint8Array,
    onoutput?: Command['onoutput'],
    begun?: (entry: Command, id: number) => void,
  ): Promise<ExecResult> {
    if (this.#closed !== null) throw this.#closed;
    const id = this.#newId();
    return new Promise((resolve, reject) => {
      const entry: Command = {
        pieces: [],
        keptBytes: 0,
        droppedBytes: 0,
        onoutput,
        timer: null,
        resolve,
        reject,
      };
      this.#commands.set(id, entry);
      begun?.(entry, id);
      this.#trySend(type, id, payload);
    });
  }

  #trySend(type: number, id: number, payload: Uint8Array = new Uint8Array(0)): void {
    if (this.#closed !== null) return;
    try {
      this.#send(encodeFrame(type, id, payload));
    } catch (error) {
      this.#fail(id, error instanceof Error ? error.message : 'The guest takes no commands.');
    }
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Guest text for the middle of a sentence: one line, no control characters, not long. */
function printable(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 200));
  return (
    text
      .replace(/[\p{C}\s]+/gu, ' ')
      .trim()
      .replace(/\.$/, '') || 'no reason given'
  );
}

/** A command as an error sentence shows it. */
function quote(command: string): string {
  const line = command.replace(/\s+/g, ' ').trim();
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
}
