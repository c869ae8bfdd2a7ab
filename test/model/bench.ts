import { expect } from 'vitest';
import { Feature, LogPage } from '../../src/spec/identify.ts';
import { Cc, Csts } from '../../src/spec/registers.ts';
import { Status } from '../../src/spec/status.ts';
import { admin } from '../driver/admin.ts';
import { Arena } from '../driver/arena.ts';
import type { Completion } from '../driver/entries.ts';
import type { Pending } from '../driver/driver.ts';
import { prpsFor } from '../driver/prp.ts';
import { makeRig, type Rig } from '../driver/rig.ts';
import { FakeMemory, HOLE_END } from '../fakes/fake-memory.ts';
import { FakeStore, settle, type StoreMode } from '../fakes/fake-store.ts';
import type { Dialect, Op, SurveyDesk, Tools } from './dialect.ts';
import { flush } from './flush.ts';
import { Ink } from './ink.ts';
import { Linear } from './linear.ts';
import { type Mark, SmartModel } from './smart.ts';

const MIB = 1024 * 1024;
/** Commands under way at once. */
const MAX_UNDER_WAY = 4;
/** With more ways in which everything can have happened, the disk is looked at. */
const MANY_WORLDS = 32;
const SLOT_BYTES = 512 * 1024;
const ALL_NAMESPACES = 0xffff_ffff;
const MAX_WAITS = 500;
/** Set Features 05h, dword 11. */
const DULBE = 0x1_0000;

interface UnderWay<S> {
  readonly id: number;
  readonly op: Op<S>;
  readonly slot: number;
  readonly pending: Pending;
  readonly observe: (completion: Completion) => string;
  readonly mark: Mark;
}

/** A device and the model of its disk, side by side: whatever is done here is done to both. */
export class Bench<S, R> {
  readonly dialect: Dialect<S, R>;
  readonly linear: Linear<S>;
  readonly smart = new SmartModel();
  readonly ink = new Ink();
  rig!: Rig;
  store: FakeStore;
  dulbe = false;
  /** A commit has failed: nothing is kept any more until the disk is opened again. */
  failed = false;
  /** How often each thing was done, and answers by status. */
  readonly deeds = new Map<string, number>();
  private failureInjected = false;
  private inDoubt = false;
  private underWay: UnderWay<S>[] = [];
  private freeSlots: number[] = [];

  private constructor(dialect: Dialect<S, R>, mode: StoreMode) {
    this.dialect = dialect;
    this.linear = new Linear(dialect.initial);
    this.store = new FakeStore(mode);
  }

  static async open<S, R>(dialect: Dialect<S, R>, mode: StoreMode): Promise<Bench<S, R>> {
    const bench = new Bench(dialect, mode);
    await bench.powerOn();
    return bench;
  }

  private async powerOn(): Promise<void> {
    const memory = new FakeMemory(8, { address: 8 * MIB, length: 8192 });
    this.rig = await makeRig({ namespaces: this.dialect.namespaces, stores: [this.store], memory });
    this.smart.powerOn();
    await this.rig.driver.start();
    await this.dialect.attach(this.rig);
    this.forgetHost();
  }

  /** What a controller reset takes from the host. */
  private forgetHost(): void {
    this.underWay = [];
    this.freeSlots = Array.from({ length: MAX_UNDER_WAY + 1 }, (_, i) => i);
    this.dulbe = false;
  }

  get tools(): Tools {
    return { ink: this.ink, dulbe: this.dulbe };
  }

  note(deed: string): void {
    this.deeds.set(deed, (this.deeds.get(deed) ?? 0) + 1);
  }

  // Commands -----------------------------------------------------------------------------------------

  /**
   * Sends a command and does not wait for it; `make` gets what the host may believe of the disk by then. After
   * a command that could not be kept the host looks what has become of the disk, as Linux revalidates it.
   */
  async submit(make: (guess: S) => Op<S> | undefined): Promise<void> {
    if (this.underWay.length >= MAX_UNDER_WAY) await this.quiesce();
    if (this.inDoubt) await this.revalidate();
    await this.clearUp();
    const op = make(this.linear.guess());
    if (!op) return;
    if (op.alone && this.underWay.some((other) => other.op.alone)) await this.quiesce();
    this.send(op);
    this.take();
  }

  private send(op: Op<S>): UnderWay<S> {
    const { driver, memory } = this.rig;
    const slot = this.freeSlots.pop() as number;
    const arena = new Arena(memory);
    arena.rewind(2 * HOLE_END + slot * SLOT_BYTES);
    const { sqe, observe } = op.send(arena);
    const mark = this.smart.mark();
    this.smart.submitted(op);
    // Before the doorbell: the device may do it at once.
    const doomed = this.failed && op.changes;
    const id = doomed ? 0 : this.linear.submit(op);
    const pending = driver.submit(op.queue, sqe);
    const sent = { id, op, slot, pending, observe, mark };
    this.underWay.push(sent);
    return sent;
  }

  /** Takes the completions that are there. */
  async pump(): Promise<void> {
    this.rig.clock.run();
    await settle();
    this.take();
  }

  private take(): void {
    const { driver, memory, controller } = this.rig;
    driver.service();
    memory.forget();
    expect(driver.unexpected, 'completions that nobody waits for').toEqual([]);
    expect(this.store.overlaps, 'commits at the same time').toBe(0);
    expect(controller.isFatal).toBe(false);
    for (const done of this.underWay.filter(({ pending }) => pending.completion)) this.ended(done);
    this.underWay = this.underWay.filter(({ pending }) => !pending.completion);
  }

  private ended({ id, op, slot, pending, observe, mark }: UnderWay<S>): void {
    const completion = pending.completion as Completion;
    const { status } = completion;
    this.freeSlots.push(slot);
    this.note(`${op.label.split(' ')[0]} ${status === 0 ? 'good' : status.toString(16)}`);
    this.smart.completed(op, status, op.label === 'flush', mark);
    const said = observe(completion);
    if (id === 0) {
      // Nothing can be kept: no change may be acknowledged, and the reason is said.
      if (status === Status.internalError || (status !== 0 && this.linear.answers(op).has(said))) return;
      throw new Error(`${op.label}\n  answered ${said} after a commit had failed`);
    }
    if (status === Status.internalError && this.failureInjected && op.changes) {
      this.failed = true;
      this.inDoubt = true;
      this.linear.failed(id);
    } else this.linear.complete(id, said);
  }

  /** Sends one and waits for it; answers with its words. */
  async ask(op: Op<S>): Promise<string> {
    const sent = this.send(op);
    await this.quiesce();
    return sent.observe(sent.pending.completion as Completion);
  }

  /** Lets everything that is under way end. */
  async quiesce(): Promise<void> {
    for (let i = 0; i < MAX_WAITS; i++) {
      await this.pump();
      await this.store.releaseAll();
      this.take();
      const waiting = this.store.waitingCommits + this.store.waitingReads;
      if (this.underWay.length === 0 && waiting === 0) return;
    }
    const labels = this.underWay.map(({ op }) => op.label);
    throw new Error(`never completed: ${labels.join('; ')}`);
  }

  /** Answers the oldest thing that the device waits for; false when it waits for nothing. */
  async releaseOne(): Promise<boolean> {
    await this.pump();
    const { waitingReads, waitingCommits } = this.store;
    if (waitingReads + waitingCommits === 0) return false;
    await this.release(waitingReads > 0 ? 1 : 0, waitingReads > 0 ? 0 : 1);
    return true;
  }

  get underWayCount(): number {
    return this.underWay.length;
  }

  /** Answers some of what the device has asked of its store. */
  async release(reads: number, commits: number): Promise<void> {
    await this.store.releaseReads(reads);
    await this.store.releaseCommits(commits);
    await this.pump();
  }

  // Everything ---------------------------------------------------------------------------------------

  /** When the model knows too little, because of resets or power cuts with commands under way. */
  private async clearUp(): Promise<void> {
    if (this.linear.worldCount <= MANY_WORLDS) return;
    await this.survey();
    if (!this.failed) await this.ask(flush<S>(ALL_NAMESPACES));
    this.note('cleared up');
  }

  private async revalidate(): Promise<void> {
    await this.quiesce();
    this.inDoubt = false;
    this.linear.rename((state) => this.dialect.atRest(state));
    await this.dialect.revalidate(this.desk);
  }

  private get desk(): SurveyDesk<S> {
    return {
      rig: this.rig,
      tools: this.tools,
      ask: (op) => this.ask(op),
      observe: (label, look, observed) => this.linear.observe(label, look, observed),
      guess: () => this.linear.guess(),
    };
  }

  /** Waits for all, then compares all that can be seen of the disk. */
  async survey(): Promise<void> {
    await this.quiesce();
    this.inDoubt = false;
    this.linear.rename((state) => this.dialect.atRest(state));
    await this.dialect.survey(this.desk);
    await this.checkSmart();
    this.note('survey');
  }

  private async checkSmart(): Promise<void> {
    const { memory } = this.rig;
    const arena = new Arena(memory);
    arena.rewind(2 * HOLE_END + (MAX_UNDER_WAY + 1) * SLOT_BYTES);
    const buffer = arena.buffer(512);
    await this.rig.driver.adminOk(admin.getLogPage(LogPage.smart, 512, prpsFor(arena, buffer)));
    this.smart.check(buffer.read());
  }

  async setDulbe(on: boolean): Promise<void> {
    await this.quiesce();
    const { length } = this.dialect.namespaces;
    for (let nsid = 1; nsid <= length; nsid++)
      await this.rig.driver.adminOk(admin.setFeatures(Feature.errorRecovery, on ? DULBE : 0, nsid));
    this.dulbe = on;
  }

  // The controller and the power -----------------------------------------------------------------------

  /** CC.EN to 0 and back, whatever is under way. */
  async resetController(): Promise<void> {
    this.take();
    await this.clearUp();
    // Something like a format may have happened or not: the host will look.
    const inDoubt = this.inDoubt || this.underWay.some(({ op }) => op.queue === 0 && op.changes);
    this.linear.reset();
    this.smart.reset();
    await this.enableAgain();
    this.inDoubt = inDoubt;
  }

  private async enableAgain(): Promise<void> {
    this.rig.driver.arena.rewind(HOLE_END);
    this.forgetHost();
    this.smart.enabled();
    await this.rig.driver.start();
  }

  /** CC.SHN, as before the power is switched off. Says whether it was completed. */
  async shutDown(cut: boolean): Promise<void> {
    const { registers } = this.rig.driver;
    if (!cut) await this.quiesce();
    const mark = this.smart.mark();
    this.smart.shutdownBegins();
    registers.cc = registers.cc | (1 << Cc.shnShift);
    const complete = () => (registers.csts & Csts.shutdownMask) === Csts.shutdownComplete;
    if (!cut) {
      for (let i = 0; i < MAX_WAITS && !complete(); i++) {
        await this.pump();
        await this.store.releaseAll();
      }
      expect(complete(), 'CSTS.SHST says that the shutdown is complete').toBe(true);
    }
    if (complete() && !this.failed && !this.failureInjected) this.smart.shutdownComplete(mark);
  }

  /** The program dies at this moment; the disk is opened again with what was committed. */
  async powerCut(): Promise<void> {
    this.take();
    await this.reopen();
  }

  /** Opens again what is stored; what was answered meanwhile was not seen by the host. */
  async reopen(): Promise<void> {
    this.linear.crash((state) => this.dialect.afterPower(state));
    this.smart.crash();
    this.failed = false;
    this.inDoubt = true;
    this.failureInjected = false;
    this.store = this.store.reopened();
    await this.powerOn();
  }

  failCommitIn(count: number): void {
    if (this.failed) return;
    this.store.failCommitIn = count;
    this.failureInjected = true;
  }
}
