import { SavedFields, type TakeOver } from '../flash/saved-fields.ts';
import { AdminOpcode } from '../spec/opcodes.ts';
import { SQE_BYTES } from '../spec/registers.ts';
import { Status } from '../spec/status.ts';
import type { Command } from './command.ts';
import { type Core, refuse } from './core.ts';

/** Something that the host asked to be told of; NVMe's "asynchronous event". */
export interface AsyncEvent {
  /** Asynchronous event type and information, and the log page that says more (completion dword 0). */
  readonly type: number;
  readonly information: number;
  readonly logPage: number;
  /** Bits of feature 0Bh of which one has to be set; without it the event cannot be switched off. */
  readonly enabledBy?: number;
}

export interface SavedEvents {
  /** The held requests, oldest first: the 16 dwords of each. */
  readonly held: readonly (readonly number[])[];
  readonly waiting: readonly AsyncEvent[];
  readonly masked: readonly number[];
  readonly configuration: number;
}

/** Events that wait for a request: more than this many at once are not kept. */
const MAX_WAITING = 64;
const REQUEST: number = AdminOpcode.asyncEventRequest;

/**
 * Asynchronous Event Requests that are held, and events that wait for one. After an event of a type was
 * sent, others of that type wait until the host has read its log page.
 */
export class AsyncEvents {
  private readonly core: Core;
  private held: Command[] = [];
  private waiting: AsyncEvent[] = [];
  /** Log pages whose event was sent and which the host has not read since. */
  private readonly masked = new Set<number>();
  /** Feature 0Bh: which events the host wants. */
  configuration = 0;

  constructor(core: Core) {
    this.core = core;
  }

  /** CC.EN went to 0: requests and events are forgotten. */
  reset(): void {
    this.held = [];
    this.waiting = [];
    this.masked.clear();
    this.configuration = 0;
  }

  save(): SavedEvents {
    return {
      held: this.held.map(({ words }) => Array.from(words)),
      waiting: this.waiting.map((event) => ({ ...event })),
      masked: [...this.masked],
      configuration: this.configuration,
    };
  }

  /** `adopt` makes a request of its dwords, as if it had been fetched and held. Throws SavedStateError. */
  readSaved(value: unknown, adopt: (words: readonly number[]) => Command): TakeOver {
    const saved = new SavedFields(value, 'the events');
    const held = saved.list('held', this.core.config.aerlZ + 1, (item, what) => {
      const words = new SavedFields({ words: item }, what).wholes('words', SQE_BYTES / 4, 0, 0xffff_ffff);
      const isRequest = words.length === SQE_BYTES / 4 && ((words[0] ?? 0) & 0xff) === REQUEST;
      if (!isRequest) throw saved.wrong('held');
      return words;
    });
    const waiting = saved.list('waiting', MAX_WAITING, (item, what): AsyncEvent => {
      const event = new SavedFields(item, what);
      const enabledBy =
        event.get('enabledBy') === undefined ? undefined : event.whole('enabledBy', 0, 2 ** 31);
      return {
        type: event.whole('type', 0, 7),
        information: event.whole('information', 0, 0xff),
        logPage: event.whole('logPage', 0, 0xff),
        ...(enabledBy !== undefined && { enabledBy }),
      };
    });
    const masked = saved.wholes('masked', 0x100, 0, 0xff);
    const configuration = saved.whole('configuration', 0, 0xffff_ffff);
    return () => {
      this.held = held.map(adopt);
      this.waiting = waiting;
      this.masked.clear();
      for (const logPage of masked) this.masked.add(logPage);
      this.configuration = configuration;
    };
  }

  /** An Asynchronous Event Request came. */
  hold(command: Command): void {
    const most = this.core.config.aerlZ + 1;
    if (this.held.length >= most) {
      refuse(
        this.core,
        command,
        Status.asyncEventLimitExceeded,
        'event-limit',
        `more than ${most} requests held`,
      );
      return;
    }
    this.core.hold(command);
    this.held.push(command);
    this.deliver();
  }

  /** Ends a held request, as Abort asks for; false when there is none with this identifier, or no room to say so. */
  abort(cid: number): boolean {
    const at = this.held.findIndex((command) => command.cid === cid);
    const command = this.held[at];
    if (!command || !this.core.unhold(command)) return false;
    this.held.splice(at, 1);
    this.core.complete(command, Status.abortedByRequest);
    return true;
  }

  /** Whether a request with this identifier is held. */
  isHeld(cid: number): boolean {
    return this.held.some((command) => command.cid === cid);
  }

  get heldCount(): number {
    return this.held.length;
  }

  raise(event: AsyncEvent): void {
    if (event.enabledBy !== undefined && (event.enabledBy & this.configuration) === 0) return;
    const known = this.waiting.some(
      (e) => e.logPage === event.logPage && e.information === event.information && e.type === event.type,
    );
    if (!known && this.waiting.length < MAX_WAITING) this.waiting.push(event);
    this.deliver();
  }

  /** The host has read a log page (without "retain asynchronous event"): its next event may be sent. */
  logPageRead(logPage: number): void {
    if (this.masked.delete(logPage)) this.deliver();
  }

  /** Sends what can be sent; the controller calls it as well when the admin completion queue has room again. */
  deliver(): void {
    while (this.held.length > 0) {
      const at = this.waiting.findIndex((event) => !this.masked.has(event.logPage));
      const event = this.waiting[at];
      const command = this.held[0];
      if (!event || !command || !this.core.unhold(command)) return;
      this.held.shift();
      this.waiting.splice(at, 1);
      this.masked.add(event.logPage);
      this.core.complete(
        command,
        Status.success,
        (event.type | (event.information << 8) | (event.logPage << 16)) >>> 0,
      );
    }
  }
}
