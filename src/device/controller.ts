import { EventInfo, EventType, LogPage, SmartWarning } from '../spec/identify.ts';
import { capabilities, Cc, Csts, CQE_BYTES, Register, SQE_BYTES, VERSION_1_2 } from '../spec/registers.ts';
import { Status, type StatusCode } from '../spec/status.ts';
import { AdminCommands } from './admin.ts';
import { AsyncEvents } from './async-events.ts';
import { Command, type CommandHost } from './command.ts';
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
import { limitRefusals, type Telemetry } from './telemetry.ts';

/** Commands taken from one queue before the guest gets the processor back. */
const COMMANDS_PER_TURN = 256;
/** Command objects kept for the next commands; a guest that had thousands in flight does not own them for ever. */
const IDLE_COMMANDS_KEPT = 1024;
const TWO_32 = 4_294_967_296;
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
  /** 2^(12 + CC.MPS) */
  pageBytes = 4096;

  private readonly interrupt: InterruptLine;
  private readonly media: DeviceMedia;
  private readonly admin: AdminCommands;
  private readonly io: IoCommands;
  private readonly cap: { readonly low: number; readonly high: number };
  private cc = 0;
  private csts = 0;
  private aqa = 0;
  private asq = 0;
  private acq = 0;
  private interruptMask = 0;
  /** One more at each reset: completions of commands from before are dropped. */
  private readonly host: CommandHost;
  /** Every command object there is, idle or in flight, for Abort. */
  private readonly commands: Command[] = [];
  private readonly idle: Command[] = [];
  private resumeScheduled = false;
  /** The queue whose turn it was last. */
  private turn = 0;

  constructor(config: ControllerConfig, media: DeviceMedia, ports: ControllerPorts, telemetry: Telemetry) {
    this.config = config;
    this.cap = capabilities(config);
    this.media = media;
    this.namespaces = media.namespaces;
    this.health = media.health;
    this.memory = ports.memory;
    this.interrupt = ports.interrupt;
    this.clock = ports.clock;
    this.telemetry = limitRefusals(telemetry, ports.clock);
    this.host = {
      generation: 0,
      complete: (command, status, dw0, dw1) => this.complete(command, status, dw0, dw1),
      refused: (text) => this.telemetry.refused(text),
    };
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
    return this.cc;
  }

  get isReady(): boolean {
    return (this.csts & (Csts.ready | Csts.fatal)) === Csts.ready;
  }

  /** True after the controller gave up (CSTS.CFS): only a reset helps. */
  get isFatal(): boolean {
    return (this.csts & Csts.fatal) !== 0;
  }

  // Registers ------------------------------------------------------------------------------------

  /** A 32-bit read at any offset; unaligned ones are put together from two registers. */
  read32(offset: number): number {
    const shift = (offset & 3) * 8;
    if (shift === 0) return this.readRegister(offset);
    const low = this.readRegister(offset & ~3);
    const high = this.readRegister((offset & ~3) + 4);
    return ((low >>> shift) | (high << (32 - shift))) >>> 0;
  }

  read8(offset: number): number {
    return (this.readRegister(offset & ~3) >>> ((offset & 3) * 8)) & 0xff;
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

  private readRegister(offset: number): number {
    switch (offset) {
      case Register.cap:
        return this.cap.low;
      case Register.cap + 4:
        return this.cap.high;
      case Register.vs:
        return VERSION_1_2;
      case Register.intms:
      case Register.intmc:
        return this.interruptMask;
      case Register.cc:
        return this.cc;
      case Register.csts:
        return this.csts;
      case Register.aqa:
        return this.aqa;
      case Register.asq:
        return this.asq % TWO_32;
      case Register.asq + 4:
        return Math.floor(this.asq / TWO_32);
      case Register.acq:
        return this.acq % TWO_32;
      case Register.acq + 4:
        return Math.floor(this.acq / TWO_32);
      default:
        return 0; // reserved, CMB (none), doorbells (write only)
    }
  }

  private writeRegister(offset: number, value: number): void {
    switch (offset) {
      case Register.intms:
        this.interruptMask = (this.interruptMask | value) >>> 0;
        this.updateInterrupt();
        return;
      case Register.intmc:
        this.interruptMask = (this.interruptMask & ~value) >>> 0;
        this.updateInterrupt();
        return;
      case Register.cc:
        this.writeConfiguration(value);
        return;
      case Register.aqa:
        this.aqa = value & 0x0fff_0fff;
        return;
      case Register.asq:
        this.asq = Math.floor(this.asq / TWO_32) * TWO_32 + ((value & ~0xfff) >>> 0);
        return;
      case Register.asq + 4:
        this.asq = value * TWO_32 + (this.asq % TWO_32);
        return;
      case Register.acq:
        this.acq = Math.floor(this.acq / TWO_32) * TWO_32 + ((value & ~0xfff) >>> 0);
        return;
      case Register.acq + 4:
        this.acq = value * TWO_32 + (this.acq % TWO_32);
        return;
      default:
        this.telemetry.refused(`write to read-only or reserved register ${hex(offset)}`);
    }
  }

  private writeConfiguration(value: number): void {
    const before = this.cc;
    this.cc = value;
    const enabled = (value & Cc.enable) !== 0;
    if (enabled && (before & Cc.enable) === 0) this.enable();
    else if (!enabled && ((before & Cc.enable) !== 0 || this.isFatal)) this.reset();
    const shn = (value >>> Cc.shnShift) & Cc.shnMask;
    if (shn !== 0 && ((before >>> Cc.shnShift) & Cc.shnMask) === 0) this.shutDown();
    else if (shn === 0) this.csts &= ~Csts.shutdownMask;
  }

  private enable(): void {
    const problem = this.configurationProblem();
    if (problem) {
      this.fail(`the controller was enabled with ${problem}`);
      return;
    }
    this.health.enabled(this.clock);
    this.pageBytes = 4096 << ((this.cc >>> Cc.mpsShift) & Cc.mpsMask);
    const cq = new CompletionQueue(
      0,
      ((this.aqa >>> 16) & 0xfff) + 1,
      QueueMemory.contiguous(this.acq),
      true,
      0,
    );
    cq.users = 1;
    this.cqs[0] = cq;
    this.sqs[0] = new SubmissionQueue(0, (this.aqa & 0xfff) + 1, QueueMemory.contiguous(this.asq), cq);
    this.csts |= Csts.ready;
  }

  /** What is wrong with the registers, in words; undefined if the controller can start. */
  private configurationProblem(): string | undefined {
    const c = this.config;
    const mps = (this.cc >>> Cc.mpsShift) & Cc.mpsMask;
    const page = 4096 * 2 ** mps;
    const sqSize = (this.aqa & 0xfff) + 1;
    const cqSize = ((this.aqa >>> 16) & 0xfff) + 1;
    if (mps < c.mpsMin || mps > c.mpsMax)
      return `memory page size ${mps} (CC.MPS) outside ${c.mpsMin} to ${c.mpsMax}`;
    if (((this.cc >>> Cc.cssShift) & Cc.cssMask) !== 0) return 'a command set other than NVM (CC.CSS)';
    if (((this.cc >>> Cc.amsShift) & Cc.amsMask) !== 0) return 'an arbitration it does not have (CC.AMS)';
    if (sqSize < 2 || cqSize < 2) return 'an admin queue of fewer than two entries (AQA)';
    if (this.asq === 0 || this.acq === 0) return 'an admin queue that is nowhere (ASQ, ACQ)';
    if (this.asq % page !== 0 || this.acq % page !== 0)
      return 'an admin queue that is not page aligned (ASQ, ACQ)';
    if (!this.memory.isRam(this.asq, sqSize * SQE_BYTES))
      return 'an admin submission queue outside memory (ASQ)';
    if (!this.memory.isRam(this.acq, cqSize * CQE_BYTES))
      return 'an admin completion queue outside memory (ACQ)';
    return undefined;
  }

  /** CC.EN to 0: queues and everything in flight are forgotten; AQA, ASQ and ACQ stay. */
  private reset(): void {
    this.host.generation++;
    this.health.idle();
    this.features.reset();
    // What is in flight now may never end; only what is idle is used again.
    this.commands.length = 0;
    for (const command of this.idle) command.index = this.commands.push(command) - 1;
    this.sqs.length = 0;
    this.cqs.length = 0;
    this.admin.reset();
    this.events.reset();
    this.csts = 0;
    this.interruptMask = 0;
    this.updateInterrupt();
  }

  /** CC.SHN: what was acknowledged is durable already; this asks for the strict kind and then says so. */
  private shutDown(): void {
    const generation = this.host.generation;
    this.health.shutDown();
    this.csts = (this.csts & ~Csts.shutdownMask) | Csts.shutdownOccurring;
    let left = this.namespaces.length;
    const finished = () => {
      left--;
      const occurring = (this.csts & Csts.shutdownMask) === Csts.shutdownOccurring;
      if (left <= 0 && occurring && generation === this.host.generation) {
        this.csts = (this.csts & ~Csts.shutdownMask) | Csts.shutdownComplete;
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
    this.csts = 0;
    this.cc = 0;
    this.aqa = 0;
    this.asq = 0;
    this.acq = 0;
    for (const ns of this.namespaces) if (ns.kind === 'ocssd20') ns.medium.powerCycle();
  }

  /** CSTS.CFS: a state from which no command can be answered. */
  private fail(why: string): void {
    this.csts |= Csts.fatal;
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
    if (sq.id !== 0) this.health.begin();
    while (
      taken < most &&
      !sq.isEmpty &&
      sq.cq.free > 0 &&
      this.isReady &&
      !sq.deletedBy &&
      this.sqs[sq.id] === sq
    ) {
      const command = this.idle.pop() ?? this.newCommand();
      if (!this.memory.read(sq.headAddress(), command.bytes, 0, SQE_BYTES)) {
        this.idle.push(command);
        this.fail(`submission queue ${sq.id} is not in memory`);
        break;
      }
      const slot = sq.head;
      sq.head = slot + 1 === sq.size ? 0 : slot + 1;
      sq.inFlight++;
      sq.cq.reserved++;
      command.sq = sq;
      command.queueId = sq.id;
      command.generation = this.host.generation;
      command.parse();
      taken++;
      if (sq.id !== 0) this.health.begin();
      if (sq.dropped !== undefined && sq.dropped.delete(slot))
        refuse(this, command, Status.abortedByRequest, 'aborted', 'aborted before it was carried out');
      else this.execute(command, sq);
    }
    if (sq.id !== 0) this.health.end();
    return taken;
  }

  private newCommand(): Command {
    const command = new Command(this.host);
    command.index = this.commands.push(command) - 1;
    return command;
  }

  /** Forgets a command object; the last one takes its place. */
  private discard(command: Command): void {
    const last = this.commands.pop();
    if (!last || last === command) return;
    last.index = command.index;
    this.commands[last.index] = last;
  }

  inFlight(sqid: number, cid: number, not: Command): Command | undefined {
    return this.commands.find(
      (c) => c.sq !== undefined && c !== not && c.queueId === sqid && c.cid === cid && !c.stale,
    );
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
    if (this.idle.length < IDLE_COMMANDS_KEPT) this.idle.push(command);
    else this.discard(command);
  }

  private end(command: Command, sq: SubmissionQueue): void {
    const { status, abortedBy } = command;
    this.post(sq, command.cid, status, command.dw0, command.dw1);
    if (status !== Status.success) this.noteError(command, status);
    if (sq.id !== 0) {
      this.health.count(command);
      this.health.end();
    }
    this.media.log.record(command, this.clock.nowMs());
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

  private readonly cqe = new Uint8Array(CQE_BYTES);
  private readonly cqeView = new DataView(this.cqe.buffer);

  /** Writes a completion queue entry (Linux struct nvme_completion). */
  private post(sq: SubmissionQueue, cid: number, status: StatusCode, dw0: number, dw1: number): void {
    const cq = sq.cq;
    const view = this.cqeView;
    view.setUint32(0, dw0, true);
    view.setUint32(4, dw1, true);
    view.setUint16(8, sq.head, true);
    view.setUint16(10, sq.id, true);
    view.setUint16(12, cid, true);
    view.setUint16(14, ((status << 1) | cq.phase) & 0xffff, true);
    if (!this.memory.write(cq.tailAddress(), this.cqe, 0, CQE_BYTES)) {
      this.fail(`completion queue ${cq.id} is not in memory`);
      return;
    }
    cq.advance();
    this.updateInterrupt();
  }

  /** The line is up while any completion queue with interrupts holds entries the host has not taken. */
  private updateInterrupt(): void {
    for (const cq of this.cqs) {
      if (!cq || !cq.interruptEnabled || cq.head === cq.tail) continue;
      if ((this.interruptMask & (1 << cq.interruptVector)) !== 0) continue;
      this.interrupt.assert();
      return;
    }
    this.interrupt.deassert();
  }
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
