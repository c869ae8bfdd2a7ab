import { SavedFields } from '../flash/saved-fields.ts';
import { EventInfo, EventType, LogPage, SmartWarning } from '../spec/identify.ts';
import { Cc, Csts, Register } from '../spec/registers.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { AdminCommands } from './admin.ts';
import { AsyncEvents } from './async-events.ts';
import type { Command, CommandHost } from './command.ts';
import { CommandPool } from './command-pool.ts';
import { Completions } from './completions.ts';
import type { ControllerConfig } from './config.ts';
import { type Core, refuse } from './core.ts';
import { ErrorLog } from './error-log.ts';
import { Features } from './features.ts';
import type { Health } from './health.ts';
import { IoCommands } from './io.ts';
import type { DeviceMedia } from './media.ts';
import type { Namespace } from './namespace.ts';
import type { Clock, GuestMemory, InterruptLine } from './ports.ts';
import { CompletionQueue, QueueMemory, SubmissionQueue } from './queues.ts';
import { RegisterFile } from './register-file.ts';
import { checkMedia, SAVED_FORMAT, type SavedController } from './saved-controller.ts';
import { readQueues, saveQueues } from './saved-queues.ts';
import { limitRefusals, type Telemetry } from './telemetry.ts';

/** Commands taken from one queue before the guest gets the processor back. */
const COMMANDS_PER_TURN = 256;
/** Told to the host when a doorbell is rung that does not exist, or with a value that it cannot have. */
const NO_SUCH_DOORBELL = {
  type: EventType.error,
  information: EventInfo.invalidDoorbellRegister,
  logPage: LogPage.error,
} as const;
const DOORBELL_VALUE = { ...NO_SUCH_DOORBELL, information: EventInfo.invalidDoorbellValue } as const;

export interface ControllerPorts {
  readonly memory: GuestMemory;
  readonly interrupt: InterruptLine;
  readonly clock: Clock;
}

/** Bytes of BAR0: registers, then a doorbell pair for each queue; a power of two, at least 8 KiB. */
export function barBytes(config: ControllerConfig): number {
  const doorbells = 2 * (config.ioQueuePairs + 1) * (4 << config.doorbellStride);
  return Math.max(8192, 2 ** Math.ceil(Math.log2(Register.doorbells + doorbells)));
}

/**
 * An NVMe controller: registers in, memory and one interrupt line out. It implements NVMe 1.2 as far as
 * Linux' driver and nvme-cli use it, with the open-channel commands on namespaces that have them.
 *
 * Not implemented: MSI, SGLs, fused commands, namespace management, firmware download, security,
 * NVM subsystem reset, controller memory buffer, shadow doorbells.
 *
 * No exception leaves it: what the guest does wrong is a status, a set CSTS.CFS, or is ignored and
 * explained through telemetry.
 */
export class NvmeController implements Core {
  readonly config: ControllerConfig;
  readonly memory: GuestMemory;
  readonly namespaces: readonly Namespace[];
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly health: Health;
  readonly events: AsyncEvents;
  readonly errors: ErrorLog;
  readonly features: Features;
  readonly sqs: (SubmissionQueue | undefined)[] = [];
  readonly cqs: (CompletionQueue | undefined)[] = [];
  /** 2^(12 + CC.MPS), as it was when the controller was enabled. */
  pageBytes = 4096;
  readonly maxTransferBytes: number;

  private readonly registers: RegisterFile;
  private readonly completions: Completions;
  private readonly commands: CommandPool;
  private readonly media: DeviceMedia;
  private readonly admin: AdminCommands;
  private readonly io: IoCommands;
  /** One more at each reset: completions of commands from before are dropped. */
  private readonly host: CommandHost;
  private resumeScheduled = false;
  /** While commands are taken from a queue, the time when that began: what ends meanwhile ends then. */
  private fetchingSinceMs: number | undefined;
  /** The queue whose turn it was last. */
  private turn = 0;

  constructor(config: ControllerConfig, media: DeviceMedia, ports: ControllerPorts, telemetry: Telemetry) {
    this.config = config;
    this.maxTransferBytes = config.mdts === 0 ? Infinity : 2 ** config.mdts * 4096 * 2 ** config.mpsMin;
    this.registers = new RegisterFile(config);
    this.completions = new Completions(ports.memory, ports.interrupt);
    this.media = media;
    this.namespaces = media.namespaces;
    this.health = media.health;
    this.memory = ports.memory;
    this.clock = ports.clock;
    this.telemetry = limitRefusals(telemetry, ports.clock);
    this.host = {
      generation: 0,
      complete: (command, status, dw0, dw1) => this.complete(command, status, dw0, dw1),
      committing: (command) => this.health.countWrite(command),
      refused: (text) => this.telemetry.refused(text),
    };
    this.commands = new CommandPool(this.host);
    this.health.powerOff(); // a controller begins without
    this.events = new AsyncEvents(this);
    this.errors = new ErrorLog(config.elpeZ + 1, this.health);
    this.features = new Features(this);
    this.admin = new AdminCommands(this);
    this.io = new IoCommands(this);
  }

  private get doorbellBytes(): number {
    return 4 << this.config.doorbellStride;
  }

  get configuration(): number {
    return this.registers.cc;
  }

  get isReady(): boolean {
    return this.registers.isReady;
  }

  /** True after the controller gave up (CSTS.CFS): only a reset helps. */
  get isFatal(): boolean {
    return this.registers.isFatal;
  }

  useWriteCache(on: boolean): void {
    this.media.units.useWriteCache(on);
  }

  // Registers ------------------------------------------------------------------------------------

  /** A 32-bit read at any offset; unaligned ones are put together from two registers. */
  read32(offset: number): number {
    const shift = (offset & 3) * 8;
    if (shift === 0) return this.registers.read(offset);
    const low = this.registers.read(offset & ~3);
    const high = this.registers.read((offset & ~3) + 4);
    return ((low >>> shift) | (high << (32 - shift))) >>> 0;
  }

  read8(offset: number): number {
    return (this.registers.read(offset & ~3) >>> ((offset & 3) * 8)) & 0xff;
  }

  /**
   * Registers are written whole (NVMe allows nothing else). A write of one byte, as the machine also
   * delivers 16-bit ones, changes nothing.
   */
  write8(offset: number, value: number): void {
    // The telemetry throws nothing: see limitRefusals.
    this.telemetry.refused(
      `register write of 8 or 16 bits at ${hex(offset)} (value ${hex(value)}): registers are 32 or 64 bits wide`,
    );
  }

  write32(offset: number, value: number): void {
    if ((offset & 3) !== 0) {
      this.telemetry.refused(`unaligned register write at ${hex(offset)}`);
      return;
    }
    try {
      if (offset >= Register.doorbells) this.ringDoorbell(offset, value >>> 0);
      else this.writeRegister(offset, value >>> 0);
    } catch (error) {
      this.broke(error);
    }
  }

  private writeRegister(offset: number, value: number): void {
    const { registers } = this;
    switch (offset) {
      case Register.intms:
        registers.interruptMask = (registers.interruptMask | value) >>> 0;
        this.updateInterrupt();
        return;
      case Register.intmc:
        registers.interruptMask = (registers.interruptMask & ~value) >>> 0;
        this.updateInterrupt();
        return;
      case Register.cc:
        this.writeConfiguration(value);
        return;
      default:
        if (!registers.writeAdminQueue(offset, value))
          this.telemetry.refused(`write to read-only or reserved register ${hex(offset)}`);
    }
  }

  private writeConfiguration(value: number): void {
    const before = this.registers.cc;
    this.registers.cc = value;
    const enabled = (value & Cc.enable) !== 0;
    if (enabled && (before & Cc.enable) === 0) this.enable();
    else if (!enabled && ((before & Cc.enable) !== 0 || this.isFatal)) this.reset();
    const shn = (value >>> Cc.shnShift) & Cc.shnMask;
    if (shn !== 0 && ((before >>> Cc.shnShift) & Cc.shnMask) === 0) this.shutDown();
    else if (shn === 0) this.registers.csts &= ~Csts.shutdownMask;
  }

  private enable(): void {
    const { registers } = this;
    const problem = registers.problem(this.memory);
    if (problem) {
      this.fail(`the controller was enabled with ${problem}`);
      return;
    }
    this.health.enabled(this.clock);
    this.pageBytes = registers.pageBytes;
    const { asq, acq, adminSqEntries, adminCqEntries } = registers;
    const cq = new CompletionQueue(0, adminCqEntries, QueueMemory.contiguous(acq), true, 0);
    cq.users = 1;
    this.cqs[0] = cq;
    this.sqs[0] = new SubmissionQueue(0, adminSqEntries, QueueMemory.contiguous(asq), cq);
    registers.csts |= Csts.ready;
  }

  /** CC.EN to 0: queues and everything in flight are forgotten; AQA, ASQ and ACQ stay. */
  private reset(): void {
    this.host.generation++;
    this.fetchingSinceMs = undefined; // a port may have thrown in the middle
    this.health.idle();
    this.features.reset();
    this.media.units.gate.forgetWaiting();
    this.commands.abandonInFlight();
    this.sqs.length = 0;
    this.cqs.length = 0;
    this.admin.reset();
    this.events.reset();
    this.registers.csts = 0;
    this.registers.interruptMask = 0;
    this.updateInterrupt();
  }

  /** CC.SHN: asks that all that was acknowledged be stored, in the strict way, and then says so. */
  private shutDown(): void {
    const generation = this.host.generation;
    this.health.shutDown();
    this.registers.csts = (this.registers.csts & ~Csts.shutdownMask) | Csts.shutdownOccurring;
    let left = this.namespaces.length;
    const finished = () => {
      left--;
      const occurring = (this.registers.csts & Csts.shutdownMask) === Csts.shutdownOccurring;
      if (left <= 0 && occurring && generation === this.host.generation) {
        this.registers.csts = (this.registers.csts & ~Csts.shutdownMask) | Csts.shutdownComplete;
      }
    };
    if (left === 0) finished();
    for (const ns of this.namespaces) ns.medium.flush(finished);
  }

  /** The power goes or the machine is reset: back to the state after power-on, silently. */
  powerCycle(): void {
    try {
      this.reset();
    } catch (error) {
      this.broke(error);
    }
    this.registers.clear();
    this.errors.clear();
    this.health.powerOff();
    for (const ns of this.namespaces) if (ns.kind === 'ocssd20') ns.medium.powerCycle();
  }

  // Saving ---------------------------------------------------------------------------------------

  /** Why its state cannot be saved now, for the end of a sentence; null if it can. */
  whyBusy(): string | null {
    if (this.media.units.failure) return 'the disk takes no more writes';
    const waits = this.resumeScheduled || this.sqs.some((sq) => sq && (sq.inFlight > 0 || sq.deletedBy));
    if (waits || !this.media.units.isQuiet) return 'the disk is at work';
    for (const ns of this.namespaces) {
      const busy = ns.kind === 'ocssd12' ? ns.medium.whyBusy() : null;
      if (busy !== null) return busy;
    }
    return null;
  }

  /**
   * What a new controller on the same disk goes on from. Nothing is in flight ({@link whyBusy}) but Asynchronous
   * Event Requests, and what the media and the counters have changed is stored: the state has none of it.
   */
  save(): SavedController {
    const { registers, health, events, errors, features, admin, pageBytes, turn } = this;
    return {
      format: SAVED_FORMAT,
      pageBytes,
      turn,
      isPowered: health.isPowered,
      registers: registers.save(),
      queues: saveQueues(this),
      events: events.save(),
      errors: errors.save(),
      features: features.save(),
      admin: admin.save(),
      media: this.namespaces.map((ns) => (ns.kind === 'plain' ? {} : ns.medium.save())),
    };
  }

  /**
   * Goes on from what {@link save} made, in a controller that was never enabled; the interrupt line is then as it
   * was. No power cycle is counted. Throws SavedStateError, and has changed nothing, when the state is no good.
   */
  restore(state: unknown): void {
    const { registers, clock } = this;
    const saved = new SavedFields(state, 'the controller');
    saved.whole('format', SAVED_FORMAT, SAVED_FORMAT);
    const takeRegisters = registers.readSaved(saved.get('registers'));
    const pageBytes = saved.whole('pageBytes', 4096, 4096 * 2 ** this.config.mpsMax);
    if (!Number.isInteger(Math.log2(pageBytes))) throw saved.wrong('pageBytes');
    const queues = readQueues(saved.object('queues'), this.config, pageBytes);
    if (queues.exist !== takeRegisters.isEnabled) throw saved.wrong('queues');
    const turn = saved.whole('turn', 0, 0xffff);
    const isPowered = saved.flag('isPowered');
    const takeEvents = this.events.readSaved(saved.get('events'), (words) => this.adopt(words));
    if (!queues.exist && saved.object('events').list('held', 0xff, () => null).length > 0)
      throw saved.wrong('events');
    const takeOvers = [
      takeRegisters,
      this.errors.readSaved(saved.get('errors')),
      this.features.readSaved(saved.get('features')),
      this.admin.readSaved(saved.get('admin')),
      checkMedia(saved, this.namespaces),
    ];
    // From here on nothing can fail.
    for (const takeOver of takeOvers) takeOver();
    this.pageBytes = pageBytes;
    this.turn = turn;
    queues.takeOver(this);
    takeEvents();
    if (isPowered) this.health.goOn(clock);
    this.updateInterrupt();
  }

  /** An Asynchronous Event Request that was held when the state was saved. */
  private adopt(words: readonly number[]): Command {
    const command = this.commands.take();
    command.words.set(words);
    command.sq = this.sqs[0];
    command.queueId = 0;
    command.fetchedMs = this.clock.nowMs();
    command.generation = this.host.generation;
    command.parse();
    return command;
  }

  /** CSTS.CFS: a state from which no command can be answered. */
  private fail(why: string): void {
    this.registers.csts |= Csts.fatal;
    this.telemetry.refused(`controller fatal status: ${why}`);
  }

  /** A port of the machine failed with an exception where no command can be answered for it, or we have a defect. */
  private broke(error: unknown): void {
    this.fail(`internal error: ${String(error)}`);
  }

  // Doorbells and queues -----------------------------------------------------------------------

  private ringDoorbell(offset: number, value: number): void {
    const index = (offset - Register.doorbells) / this.doorbellBytes;
    const queueId = Math.floor(index / 2);
    if (!this.isReady || !Number.isInteger(index)) {
      this.telemetry.refused(
        `doorbell at ${hex(offset)} while the controller is not ready, or between doorbells`,
      );
      return;
    }
    if (index % 2 === 0) this.submissionDoorbell(queueId, value);
    else this.completionDoorbell(queueId, value);
  }

  private wrongDoorbell(exists: boolean): void {
    this.errors.doorbell(exists ? Status.invalidField : Status.invalidQueueId);
    this.events.raise(exists ? DOORBELL_VALUE : NO_SUCH_DOORBELL);
  }

  private submissionDoorbell(queueId: number, value: number): void {
    const sq = this.sqs[queueId];
    if (!sq || value >= sq.size) {
      this.telemetry.refused(
        `submission doorbell ${queueId} set to ${value}: ${sq ? `the queue has ${sq.size} entries` : 'no such queue'}`,
      );
      this.wrongDoorbell(sq !== undefined);
      return;
    }
    sq.tail = value;
    this.kick(sq);
  }

  private completionDoorbell(queueId: number, value: number): void {
    const cq = this.cqs[queueId];
    if (!cq || value >= cq.size) {
      this.telemetry.refused(
        `completion doorbell ${queueId} set to ${value}: ${cq ? `the queue has ${cq.size} entries` : 'no such queue'}`,
      );
      this.wrongDoorbell(cq !== undefined);
      return;
    }
    const taken = (value - cq.head + cq.size) % cq.size;
    if (taken > cq.unread) {
      this.telemetry.refused(`completion doorbell ${queueId} takes ${taken} entries of ${cq.unread}`);
      this.wrongDoorbell(true);
      return;
    }
    cq.head = value;
    this.updateInterrupt();
    if (queueId === 0) this.events.deliver();
    // Room in the completion queue: queues that were held back go on.
    for (const sq of this.sqs) if (sq && sq.cq === cq && !sq.isEmpty) this.kick(sq);
  }

  /** Fetches and executes what a queue holds, as long as completions have room, within this turn's budget. */
  private kick(sq: SubmissionQueue): void {
    // Queues that wait for their turn share it by arbitration; nobody overtakes them.
    if (this.resumeScheduled) return;
    if (this.fetch(sq, COMMANDS_PER_TURN) === COMMANDS_PER_TURN && !sq.isEmpty) this.scheduleResume();
  }

  /** Takes up to `most` commands from a queue; how many it took. */
  private fetch(sq: SubmissionQueue, most: number): number {
    let taken = 0;
    // While this runs the controller is busy; so the clock is looked at once, not for each command.
    const busy = this.health.isBusy;
    const busySinceMs = sq.id !== 0 ? this.health.begin() : 0;
    // One look at the clock for all that is taken now; the one that begin() has just taken, where it has.
    const nowMs = busy || sq.id === 0 ? this.clock.nowMs() : busySinceMs;
    this.fetchingSinceMs = nowMs;
    while (
      taken < most &&
      !sq.isEmpty &&
      sq.cq.free > 0 &&
      this.isReady &&
      !sq.deletedBy &&
      this.sqs[sq.id] === sq
    ) {
      const command = this.commands.take();
      if (!this.memory.readWords(sq.headAddress(), command.words)) {
        this.commands.give(command);
        this.fail(`submission queue ${sq.id} is not in memory`);
        break;
      }
      const slot = sq.head;
      sq.head = slot + 1 === sq.size ? 0 : slot + 1;
      sq.inFlight++;
      sq.cq.reserved++;
      command.sq = sq;
      command.queueId = sq.id;
      command.fetchedMs = nowMs;
      command.generation = this.host.generation;
      command.parse();
      taken++;
      if (sq.id !== 0) this.health.begin();
      if (sq.dropped !== undefined && sq.dropped.delete(slot))
        refuse(this, command, Status.abortedByRequest, 'aborted', 'aborted before it was carried out');
      else this.execute(command, sq);
    }
    this.fetchingSinceMs = undefined;
    if (sq.id !== 0) this.health.end();
    return taken;
  }

  inFlight(sqid: number, cid: number, not: Command): Command | undefined {
    return this.commands.inFlight(sqid, cid, not);
  }

  dropQueued(sqid: number, cid: number): boolean {
    const sq = this.sqs[sqid];
    if (!sq || sq.deletedBy) return false;
    const entry = new Uint8Array(4);
    for (let slot = sq.head; slot !== sq.tail; slot = (slot + 1) % sq.size) {
      if (sq.dropped?.has(slot)) continue;
      if (!this.memory.read(sq.addressOf(slot), entry, 0, entry.byteLength)) return false;
      // The command identifier is in bytes 2 and 3 (Linux struct nvme_common_command).
      if ((entry[2] as number) + 256 * (entry[3] as number) !== cid) continue;
      sq.dropped ??= new Set();
      sq.dropped.add(slot);
      return true;
    }
    return false;
  }

  private execute(command: Command, sq: SubmissionQueue): void {
    try {
      // Fused operations (bits 0, 1) and SGLs (bits 6, 7) do not exist here.
      if ((command.flags & 0xc3) !== 0) {
        refuse(this, command, Status.invalidField, 'no-fused-no-sgl', 'a fused operation or SGLs');
      } else if (sq.id === 0) this.admin.execute(command);
      else this.io.execute(command);
    } catch (error) {
      // A defect of ours, not the guest's fault; it gets an answer all the same.
      refuse(this, command, Status.internalError, 'internal', `internal error: ${String(error)}`);
    }
  }

  private scheduleResume(): void {
    if (this.resumeScheduled) return;
    this.clock.defer(() => {
      this.resumeScheduled = false;
      try {
        this.takeTurns();
      } catch (error) {
        this.broke(error);
      }
    });
    // Only now: a clock that throws has nothing scheduled.
    this.resumeScheduled = true;
  }

  /** Round robin: each queue its arbitration burst, until this turn's budget is spent or nothing is left. */
  private takeTurns(): void {
    let budget = COMMANDS_PER_TURN;
    let idleQueues = 0;
    while (budget > 0 && idleQueues < this.sqs.length) {
      this.turn = (this.turn + 1) % this.sqs.length;
      const sq = this.sqs[this.turn];
      const taken = sq && !sq.isEmpty ? this.fetch(sq, Math.min(budget, this.features.burst)) : 0;
      budget -= taken;
      idleQueues = taken > 0 ? 0 : idleQueues + 1;
    }
    if (budget === 0) this.scheduleResume();
  }

  // Completions ----------------------------------------------------------------------------------

  /**
   * Ends a command. Those of an earlier generation (before a reset) vanish. `dw0` and `dw1` are the
   * command-specific result.
   */
  complete(command: Command, status: StatusCode, dw0 = 0, dw1 = 0): void {
    const sq = command.sq;
    if (!sq) return; // completed before
    command.sq = undefined;
    if (command.stale) return; // not used again, see reset
    sq.inFlight--;
    sq.cq.reserved--;
    // The medium knows nothing of a transfer that stopped half-way.
    command.status = status === Status.success ? command.transferFailure : status;
    command.dw0 = dw0;
    command.dw1 = dw1;
    // Storage calls this when it likes: nothing that a port throws may get there.
    try {
      this.end(command, sq);
    } catch (error) {
      this.broke(error);
    }
    this.commands.give(command);
  }

  private end(command: Command, sq: SubmissionQueue): void {
    const { status, abortedBy } = command;
    if (this.completions.post(sq, command)) this.updateInterrupt();
    else this.fail(`completion queue ${sq.cq.id} is not in memory`);
    if (status !== Status.success) this.noteError(command, status);
    if (sq.id !== 0) {
      this.health.count(command);
      this.health.end();
    }
    this.media.log.record(command, this.fetchingSinceMs ?? this.clock.nowMs());
    this.telemetry.command(command);
    if (abortedBy) this.admin.abort.targetEnded(abortedBy, command);
    this.afterCompletion(sq);
  }

  private noteError(command: Command, status: StatusCode): void {
    this.errors.record(command, status);
    if (status !== Status.internalError || !this.media.units.failure) return;
    this.events.raise({
      type: EventType.smart,
      information: EventInfo.reliability,
      logPage: LogPage.smart,
      enabledBy: SmartWarning.reliability | SmartWarning.readOnly,
    });
  }

  private afterCompletion(sq: SubmissionQueue): void {
    if (!sq.deletedBy || sq.inFlight > 0) return;
    const deletion = sq.deletedBy;
    sq.deletedBy = undefined;
    this.admin.finishSqDeletion(sq, deletion);
  }

  /**
   * A command that may wait for ever (Asynchronous Event Request) gives its claim on a completion slot
   * back, so that held ones never fill the admin completion queue.
   */
  hold(command: Command): void {
    const sq = command.sq;
    if (!sq) return;
    sq.inFlight--;
    sq.cq.reserved--;
  }

  /** A held command is to complete after all; false while its completion queue has no room. */
  unhold(command: Command): boolean {
    const sq = command.sq;
    if (!sq || sq.cq.free <= 0) return false;
    sq.inFlight++;
    sq.cq.reserved++;
    return true;
  }

  private updateInterrupt(): void {
    this.completions.updateInterrupt(this.cqs, this.registers.interruptMask);
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
